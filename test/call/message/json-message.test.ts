import { createRegistry, type DescMessage, toJson } from '@bufbuild/protobuf'
import {
  AnySchema,
  BoolValueSchema,
  BytesValueSchema,
  DoubleValueSchema,
  FloatValueSchema,
  Int32ValueSchema,
  Int64ValueSchema,
  ListValueSchema,
  StringValueSchema,
  type Struct,
  StructSchema,
  TimestampSchema,
  UInt64ValueSchema,
  ValueSchema,
} from '@bufbuild/protobuf/wkt'
import { Code, ConnectError } from '@connectrpc/connect'
import { test } from 'tap'
import { messageFromJson, quotedIntegers } from '../../../src/call/message/json-message.ts'
import { UpdateUserRequestSchema } from '../../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'

const idRule = 'must be an integer from 1 to 9223372036854775807'
const int64Rule = 'must be an integer from -9223372036854775808 to 9223372036854775807'

function refused(desc: DescMessage, text: string, options = {}): ConnectError {
  try {
    messageFromJson(desc, text, options)
  } catch (err) {
    if (err instanceof ConnectError) return err
    throw err
  }
  return new ConnectError('was taken', Code.Unknown)
}

test('a number is read by what its field is', (t) => {
  const read = (desc: DescMessage, text: string) => toJson(desc, messageFromJson(desc, text, {}))
  t.equal(read(Int64ValueSchema, '9007199254740993'), '9007199254740993')
  t.equal(read(UInt64ValueSchema, '18446744073709551615'), '18446744073709551615')
  t.equal(read(Int64ValueSchema, '1e3'), '1000')
  t.equal(read(Int64ValueSchema, '"-9007199254740993"'), '-9007199254740993')
  t.equal(read(Int32ValueSchema, '"1e3"'), 1000)
  t.equal(read(DoubleValueSchema, '12345678901234567890'), 12345678901234567000)
  t.equal(read(DoubleValueSchema, '"-Infinity"'), '-Infinity')
  t.strictSame(read(ValueSchema, '[12345678901234567890,1e30]'), [12345678901234567000, 1e30])
  t.strictSame(read(StructSchema, '{"__proto__":9007199254740993}'), {
    ['__proto__']: 9007199254740992,
  })
  t.equal(read(StringValueSchema, '"12345678901234567890"'), '12345678901234567890')
  t.end()
})

test('what is no value of its type is refused, whatever it looks like to JavaScript', (t) => {
  const cases: [DescMessage, string[]][] = [
    [StringValueSchema, ['12345678901234567890', '1e30', '[]', '"\\ud800"']],
    [BytesValueSchema, ['12345678901234567890', '1e30', '"!"']],
    [BoolValueSchema, ['12345678901234567890', '"true"']],
    [
      Int64ValueSchema,
      ['"0x10"', '"+1"', '" 1"', '"01"', '""', '"1_0"', '9223372036854775808', '1e30', '1.5'],
    ],
    [Int64ValueSchema, ['9007199254740993.0', '"1.0"', '123456789012345678901234567890']],
    [UInt64ValueSchema, ['-1', '"-1"', '18446744073709551616']],
    [Int32ValueSchema, ['"0x10"', '"+1"', '" 1"', '"01"', '2147483648', '12345678901234567890']],
    [DoubleValueSchema, ['"0x10"', '"+1"', '" 1"', '"01"', '1e309', '"1e309"', '"nan"', 'true']],
    [FloatValueSchema, ['1e39', '"0x1"']],
    [ValueSchema, ['1e309', '{"a":[-1e309]}']],
    [TimestampSchema, ['12345678901234567890', '"today"', '"2026-02-30T00:00:00Z"']],
  ]
  for (const [desc, texts] of cases)
    for (const text of texts)
      t.equal(refused(desc, text).code, Code.InvalidArgument, `${desc.name} ${text}`)
  t.end()
})

test('a refusal names the value by its way through the JSON, and what is allowed', (t) => {
  const types = createRegistry(Int64ValueSchema, UpdateUserRequestSchema)
  const any = '"@type":"type.googleapis.com/'
  for (const [desc, text, metadata] of [
    [UpdateUserRequestSchema, '{"id":"0x10"}', { id: idRule }],
    [UpdateUserRequestSchema, '{"user":{"name":1}}', { 'user.name': 'must be a string' }],
    [UpdateUserRequestSchema, '{"user":[]}', { user: 'must be an object' }],
    [
      UpdateUserRequestSchema,
      '{"updateMask":1}',
      { updateMask: 'must be field paths such as name,address.city' },
    ],
    [UpdateUserRequestSchema, '[]', {}],
    [AnySchema, `{${any}google.protobuf.Int64Value","value":"0x1"}`, { value: int64Rule }],
    [AnySchema, `{${any}api.user.v1.UpdateUserRequest","id":"01"}`, { id: idRule }],
  ] as const) {
    const error = refused(desc, text, { registry: types })
    const [info] = error.findDetails(ErrorInfoSchema)
    t.match(info, { reason: 'MALFORMED_BODY' })
    t.strictSame({ ...info?.metadata }, metadata, text)
    for (const [name, rule] of Object.entries(metadata))
      t.equal(error.rawMessage, `${name}: ${rule}`)
  }
  t.match(refused(UpdateUserRequestSchema, '{"usr":{}}').rawMessage, /usr: .* did you mean user\?/)
  t.match(refused(UpdateUserRequestSchema, '{"id":1,"i\\u0064":1}').rawMessage, /"id" twice/)
  t.end()
})

test('text without UTF-8 is refused in any JSON as in strings, and so are its names', (t) => {
  const rule = 'must be Unicode text without lone surrogates'
  for (const [desc, text, path] of [
    [StructSchema, '{"a":["b",{"c":"\\ud800"}]}', 'a[1].c'],
    [StructSchema, '{"a":{"\\udc00":1}}', 'a["\\udc00"]'],
    [ListValueSchema, '["\\ud83d\\ude00","\\ude00"]', '[1]'],
  ] as const) {
    const error = refused(desc, text)
    t.strictSame({ ...error.findDetails(ErrorInfoSchema)[0]?.metadata }, { [path]: rule }, text)
  }
  t.equal(refused(ValueSchema, '"\\ud800"').rawMessage, `the JSON ${rule}`)
  const pair = messageFromJson(StructSchema, '{"\\ud83d\\ude00":"\\ud83d\\ude00"}', {})
  t.strictSame(toJson(StructSchema, pair as Struct), { '😀': '😀' })
  t.end()
})

test('JSON of too many levels around a large integer is refused', (t) => {
  const text = `{"x":${'['.repeat(9900)}9007199254740993${']'.repeat(9900)}}`
  t.equal(refused(UpdateUserRequestSchema, text, { ignoreUnknownFields: true }).code, 3)
  t.end()
})

test('JSON for other readers has its 64-bit integers in quotes and nothing else changed', (t) => {
  const quoted = (desc: DescMessage, text: string) => quotedIntegers(desc, text, {})
  t.equal(
    quoted(
      UpdateUserRequestSchema,
      '{"id": 9007199254740993, "user": {"name": "9007199254740993"}}',
    ),
    '{"id":"9007199254740993","user":{"name":"9007199254740993"}}',
  )
  t.equal(quoted(ValueSchema, '[9007199254740993]'), '[9007199254740992]')
  t.end()
})
