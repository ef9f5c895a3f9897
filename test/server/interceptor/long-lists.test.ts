import {
  create,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  setExtension,
} from '@bufbuild/protobuf'
import { FieldOptionsSchema } from '@bufbuild/protobuf/wkt'
import { pathToString } from '@bufbuild/protobuf/reflect'
import { createValidator, type Validator } from '@bufbuild/protovalidate'
import {
  field as fieldRules,
  FieldRulesSchema,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js'
import { test } from 'tap'
import { CreateOrderRequestSchema } from '../../../src/gen/api/order/v1/order_pb.ts'
import {
  ListUsersRequestSchema,
  WatchUsersRequestSchema,
} from '../../../src/gen/api/user/v1/user_pb.ts'
import { longList } from '../../../src/server/interceptor/long-lists.ts'
import { messageRules } from '../../../src/server/interceptor/violations.ts'
import { compileSchema } from '../../rest/schema.ts'

const validator = createValidator()

/** A validator that must not be asked. */
const notAsked: Validator = {
  validate() {
    throw new Error('the validator was asked')
  },
}

const schema = compileSchema({
  messages: {
    Leaf: 'repeated int32 few; map<int64, bool> pairs; repeated int32 none',
    Tree: [
      'repeated Tree children',
      'map<string, Tree> by_name',
      'map<int64, Leaf> by_number',
      'map<bool, Leaf> by_answer',
      'Leaf leaf',
      'kind/Leaf chosen',
      'kind/Leaf other',
      'repeated Leaf any_number',
    ].join('; '),
    Ignoring: 'repeated int32 few; Leaf leaf; repeated Leaf leaves; map<string, Leaf> by_name',
    // Types that have each other, and no limit between them.
    Loop: 'Back back; repeated Loop loops',
    Back: 'map<string, Loop> loops; string text',
  },
  methods: {},
})

const few = { repeated: { maxItems: '2' } }
const ignored = { ignore: 'IGNORE_ALWAYS' }
const rules: Record<string, Record<string, JsonObject>> = {
  Leaf: { few, pairs: { map: { maxPairs: '1' } }, none: { repeated: { maxItems: '0' } } },
  Tree: { children: few },
  Ignoring: {
    few: { ...few, ...ignored },
    leaf: ignored,
    leaves: { repeated: { items: ignored } },
    by_name: { map: { values: ignored } },
  },
}

for (const [name, fields] of Object.entries(rules))
  for (const field of schema.message(name).fields) {
    const options = create(FieldOptionsSchema)
    setExtension(options, fieldRules, fromJson(FieldRulesSchema, fields[field.name] ?? {}))
    field.proto.options = options
  }

const long = [1, 2, 3]

/** Messages with one list or map that is too long, and its path. */
const rows: [type: string, message: JsonValue, path: string][] = [
  ['Leaf', { few: long }, 'few'],
  ['Leaf', { none: [1] }, 'none'],
  ['Leaf', { pairs: { '1': true, '2': true } }, 'pairs'],
  ['Tree', { children: [{}, {}, {}] }, 'children'],
  ['Tree', { leaf: { few: long } }, 'leaf.few'],
  ['Tree', { other: { few: long } }, 'other.few'],
  ['Tree', { anyNumber: [{}, {}, {}, { few: long }] }, 'any_number[3].few'],
  ['Tree', { byNumber: { '-5': { few: long } } }, 'by_number[-5].few'],
  ['Tree', { byAnswer: { true: { pairs: { '1': true, '2': true } } } }, 'by_answer[true].pairs'],
  [
    'Tree',
    { children: [{}, { byName: { 'a "b"': { children: [{ leaf: { few: long } }] } } }] },
    'children[1].by_name["a \\"b\\""].children[0].leaf.few',
  ],
]

test('a list or map that is too long is found as protovalidate finds it', async (t) => {
  for (const [type, json, path] of rows) {
    const desc = schema.message(type)
    const message = fromJson(desc, json)
    const { violations = [] } = validator.validate(desc, message)
    const [theirs] = violations
    t.equal(violations.length, 1, path)
    t.match(theirs?.ruleId, /^(repeated\.max_items|map\.max_pairs)$/, path)
    const want = { field: pathToString(theirs?.field ?? []), rule: theirs?.message }
    t.equal(want.field, path)
    t.strictSame(longList(desc, message), want, path)
    t.strictSame(messageRules(notAsked)(desc, message), [want], path)
  }
})

test('lists and maps as long as they may be, or whose rules are ignored, are not', async (t) => {
  const leaf = { few: [1, 2], pairs: { '1': true } }
  const tooLong = { few: long }
  const valid: [string, JsonValue][] = [
    ['Leaf', leaf],
    ['Tree', { children: [{ leaf }, { chosen: leaf }], byNumber: { '1': leaf, '2': leaf } }],
    ['Ignoring', { few: long, leaf: tooLong, leaves: [tooLong], byName: { a: tooLong } }],
    ['Loop', { back: { loops: { a: { back: {} } } }, loops: [{}, {}] }],
  ]
  for (const [type, json] of valid) {
    const desc = schema.message(type)
    const message = fromJson(desc, json)
    t.equal(validator.validate(desc, message).kind, 'valid', type)
    t.equal(longList(desc, message), undefined, type)
  }
})

test('sizes come before what is in lists, and the first that is too long is told alone', async (t) => {
  const desc = schema.message('Tree')
  const message = fromJson(desc, {
    children: [{ leaf: { few: long } }, {}, {}],
    leaf: { few: long },
  })
  t.match(messageRules(notAsked)(desc, message), [{ field: 'children' }])
  t.equal(messageRules(notAsked)(desc, message).length, 1)
})

test('messages of a type without limits are not read', async (t) => {
  const unreadable = (name: string) =>
    new Proxy(create(schema.message(name)), {
      get: () => t.fail('a property was read'),
      has: () => t.fail('a property was looked for'),
    })
  t.equal(longList(schema.message('Loop'), unreadable('Loop')), undefined)
  t.equal(longList(ListUsersRequestSchema, create(ListUsersRequestSchema)), undefined)
})

test('101 items are refused as protovalidate refuses them', async (t) => {
  const items = Array.from({ length: 101 }, (_, index) => ({
    productId: BigInt(index + 1),
    quantity: 1,
    price: 1,
  }))
  const order = create(CreateOrderRequestSchema, { userId: 1n, items })
  const { violations = [] } = validator.validate(CreateOrderRequestSchema, order)
  const theirs = violations.map(({ field, message }) => [pathToString(field), message])
  t.strictSame(theirs, [['items', 'must contain no more than 100 item(s)']])
  t.strictSame(messageRules(notAsked)(CreateOrderRequestSchema, order), [
    { field: 'items', rule: 'must contain no more than 100 item(s)' },
  ])
})

test('hundreds of thousands of elements do not reach the validator', async (t) => {
  const order = fromBinary(CreateOrderRequestSchema, Buffer.from('"\0'.repeat(500_000), 'latin1'))
  t.strictSame(messageRules(notAsked)(CreateOrderRequestSchema, order), [
    { field: 'items', rule: 'must contain no more than 100 item(s)' },
  ])
  const ids = Array.from({ length: 1_000_000 }, () => 0n)
  const watch = create(WatchUsersRequestSchema, { ids })
  t.strictSame(messageRules(notAsked)(WatchUsersRequestSchema, watch), [
    { field: 'ids', rule: 'must contain no more than 100 item(s)' },
  ])
})

test('the rule of products does not compare the items of a list that is too long', async (t) => {
  const items = Array.from({ length: 20_000 }, () => ({ productId: 1n, quantity: 1 }))
  const order = create(CreateOrderRequestSchema, { userId: 1n, items })
  const { violations = [] } = validator.validate(CreateOrderRequestSchema, order)
  t.strictSame(
    violations.map(({ ruleId }) => ruleId),
    ['repeated.max_items'],
  )
})
