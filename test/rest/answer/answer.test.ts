import { create, createRegistry, type JsonValue, type Message } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import { test } from 'tap'
import { GetUserReplySchema } from '../../../src/gen/api/user/v1/user_pb.ts'
import type { RestPluginOptions } from '../../../src/rest/options.ts'
import { compileSchema } from '../schema.ts'
import { parameterError, serveSchema } from '../serve.ts'

const thing = { get: '/v1/thing' }

const schema = compileSchema({
  enums: { Color: ['COLOR_UNSPECIFIED', 'RED', 'GREEN'] },
  messages: {
    Thing: `string name; int64 size; Color color; optional string nick; repeated Thing children;
      map<string, Thing> named; map<string, string> labels; Thing parent; choice/Thing left;
      choice/string right; google.protobuf.Timestamp at; google.protobuf.Int64Value boxed;
      google.protobuf.Struct free; google.protobuf.Any packed; repeated string tags; bytes raw;
      double weight; optional int64 exact; bool ok`,
    Empty: '',
  },
  methods: {
    Get: [
      'Empty',
      'Thing',
      {
        ...thing,
        additionalBindings: [
          'name',
          'size',
          'color',
          'children',
          'named',
          'parent',
          'at',
          'free',
          'tags',
          'raw',
          'weight',
          'exact',
          'ok',
          'nick',
        ].map((field) => ({ get: `/v1/thing/${field}`, responseBody: field })),
      },
    ],
    Nothing: ['Empty', 'google.protobuf.Empty', { get: '/v1/nothing' }],
  },
})

type Init = Record<string, unknown>

function serve(reply: Init, options: Partial<RestPluginOptions> = {}) {
  return serveSchema(
    schema,
    { get: () => create(schema.message('Thing'), reply), nothing: () => ({}) },
    options,
  )
}

async function get(url: string, reply: Init, options?: Partial<RestPluginOptions>) {
  const answer = await serve(reply, options).inject({ method: 'GET', url })
  t200(answer.statusCode, answer.body)
  return answer.json<JsonValue>()
}

function t200(status: number, body: string): void {
  if (status !== 200) throw new Error(`${status}: ${body}`)
}

const unset = {
  name: '',
  size: '0',
  color: 'COLOR_UNSPECIFIED',
  children: [],
  named: {},
  labels: {},
  parent: null,
  at: null,
  boxed: null,
  free: null,
  packed: null,
  tags: [],
  raw: '',
  weight: 0,
  ok: false,
}

test('an answer has default values, and null for unset messages, as protojson with EmitUnpopulated', async (t) => {
  t.strictSame(await get('/v1/thing', {}), unset)
  t.strictSame(await get('/v1/nothing', {}), {})
})

test('nested messages have their default values and nulls too', async (t) => {
  const nested = create(schema.message('Thing'), { name: 'n' }) as Message
  const full = { ...unset, name: 'n' }
  const got = await get('/v1/thing', {
    children: [nested],
    named: { ['__proto__']: nested, b: nested },
    parent: nested,
    choice: { case: 'left', value: nested },
  })
  t.match(got, { children: [full], parent: full, left: full })
  const { named } = got as { named: Record<string, JsonValue> }
  t.strictSame(Object.entries(named), [
    ['__proto__', full],
    ['b', full],
  ])
})

test('an answer leaves defaults and nulls out when that is asked for', async (t) => {
  t.strictSame(await get('/v1/thing', { size: 5n }, { emitDefaults: false }), { size: '5' })
})

test('google.protobuf.Any is written with the types that the plugin knows', async (t) => {
  const packed = anyPack(GetUserReplySchema, create(GetUserReplySchema, { id: 5n }))
  const types = createRegistry(GetUserReplySchema)
  t.match(await get('/v1/thing', { packed }, { types }), {
    packed: { '@type': 'type.googleapis.com/api.user.v1.GetUserReply', id: '5' },
  })
})

test('response_body makes one field of any kind the whole answer', async (t) => {
  const nested = create(schema.message('Thing'), { name: 'n' })
  const reply = {
    name: 'x',
    size: 9007199254740993n,
    color: 2,
    children: [nested],
    named: { a: nested },
    parent: nested,
    free: { a: 1 },
    tags: ['a'],
    raw: new Uint8Array([255]),
    weight: 1.5,
    exact: 3n,
    ok: true,
    nick: 'nick',
  }
  const full = { ...unset, name: 'n' }
  const expected: Record<string, JsonValue> = {
    name: 'x',
    size: '9007199254740993',
    color: 'GREEN',
    children: [full],
    named: { a: full },
    parent: full,
    free: { a: 1 },
    tags: ['a'],
    raw: '/w==',
    weight: 1.5,
    exact: '3',
    ok: true,
    nick: 'nick',
  }
  for (const [field, value] of Object.entries(expected))
    t.strictSame(await get(`/v1/thing/${field}`, reply), value, field)
})

test('response_body of an unset field is its empty value', async (t) => {
  const expected: Record<string, JsonValue> = {
    name: '',
    size: '0',
    color: 'COLOR_UNSPECIFIED',
    children: [],
    named: {},
    parent: {},
    at: null,
    free: {},
    tags: [],
    raw: '',
    weight: 0,
    exact: '0',
    ok: false,
    nick: '',
  }
  for (const emitDefaults of [true, false])
    for (const [field, value] of Object.entries(expected))
      t.strictSame(await get(`/v1/thing/${field}`, {}, { emitDefaults }), value, field)
})

test('$alt=json;enum-encoding=int writes enums as numbers', async (t) => {
  const reply = { color: 2 }
  for (const query of ['$alt=json', 'alt=json', '%24alt=json'])
    t.match(await get(`/v1/thing?${query}`, reply), { color: 'GREEN' }, query)
  for (const query of [
    '$alt=json%3Benum-encoding=int',
    'alt=json%3Benum-encoding%3Dint',
    '$alt=json;enum-encoding=int',
  ])
    t.match(await get(`/v1/thing?${query}`, reply), { color: 2 }, query)
  t.equal(await get('/v1/thing/color?$alt=json%3Benum-encoding=int', reply), 2)
  for (const query of [
    '$alt=xml',
    '$alt',
    '$alt=JSON',
    '$alt=json%3Benum-encoding=INT',
    '$alt=json&alt=json',
    '$ALT=json',
  ]) {
    const answer = await serve(reply).inject(`/v1/thing?${query}`)
    t.match(answer.json(), { code: 400, reason: 'INVALID_PARAMETER' }, query)
  }
})

test('$prettyPrint indents', async (t) => {
  for (const [value, lines] of [
    ['1', 3],
    ['true', 3],
    ['0', 1],
    ['false', 1],
  ] as const) {
    const answer = await serve({ name: 'x' }, { emitDefaults: false }).inject(
      `/v1/thing?$prettyPrint=${value}`,
    )
    t.equal(answer.body.split('\n').length, lines, value)
  }
  const answer = await serve({}).inject('/v1/thing?$prettyPrint=yes')
  t.match(answer.json(), parameterError({ $prettyPrint: 'must be true, false, 1 or 0' }))
})

test('$fields gives the part of an answer that it names', async (t) => {
  const leaf = create(schema.message('Thing'), { name: 'leaf', size: 1n })
  const reply = {
    name: 'x',
    children: [leaf, leaf],
    named: { a: leaf, b: leaf },
    labels: { k: 'v', ['__proto__']: 'p' },
    free: { a: { b: 1, c: 2 }, d: 3 },
    exact: 1n,
  }
  const cases: Record<string, JsonValue> = {
    name: { name: 'x' },
    'name,exact': { name: 'x', exact: '1' },
    'children.name': { children: [{ name: 'leaf' }, { name: 'leaf' }] },
    'children(name,size),name': {
      name: 'x',
      children: [
        { name: 'leaf', size: '1' },
        { name: 'leaf', size: '1' },
      ],
    },
    'children/parent': { children: [{ parent: null }, { parent: null }] },
    'named/a/name': { named: { a: { name: 'leaf' } } },
    'labels.k': { labels: { k: 'v' } },
    'free(a/b,d)': { free: { a: { b: 1 }, d: 3 } },
    'free.a(c),free.a': { free: { a: { b: 1, c: 2 } } },
    'free.a,free.a(c)': { free: { a: { b: 1, c: 2 } } },
    'children(*)': {
      children: [
        { ...unset, name: 'leaf', size: '1' },
        { ...unset, name: 'leaf', size: '1' },
      ],
    },
    nick: {},
  }
  for (const [fields, expected] of Object.entries(cases))
    t.strictSame(
      await get(`/v1/thing?$fields=${encodeURIComponent(fields)}`, reply),
      expected,
      fields,
    )
  t.strictSame(await get('/v1/thing/children?$fields=name', reply), [
    { name: 'leaf' },
    { name: 'leaf' },
  ])
  t.strictSame(await get('/v1/thing?$fields=', { name: 'x' }), { ...unset, name: 'x' })
})

test('$fields that names nothing is refused', async (t) => {
  const url = (fields: string) => `/v1/thing?$fields=${encodeURIComponent(fields)}`
  const app = serve({})
  for (const fields of [
    'nmae',
    'name.x',
    'children(',
    'children()',
    'children)',
    '(name)',
    'a,,b',
    'name,',
    'children(name',
    'children..name',
    'tags.x',
    `${'parent.'.repeat(200)}name`,
    'parent('.repeat(200),
  ])
    t.match(
      (await app.inject(url(fields))).json(),
      { code: 400, metadata: { $fields: String } },
      fields,
    )
  t.match((await app.inject(url('nmae'))).json(), { message: /did you mean name\?/ })
  const onScalar = await app.inject('/v1/thing/name?$fields=x')
  t.match(onScalar.json(), parameterError({ $fields: 'cannot be given: the answer has no fields' }))
})
