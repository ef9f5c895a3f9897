import {
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from '@bufbuild/protobuf'
import { isWrapperDesc } from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'

type Json = fc.Arbitrary<JsonValue>

const text = fc.string({ unit: 'binary', maxLength: 20 })
// The keys that objects inherit are ordinary keys.
const key = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toString', '', 'a.b', '[]'))

const integerText = (min: bigint, max: bigint) => fc.bigInt({ min, max }).map(String)
const signed32 = fc.oneof(fc.integer(), fc.constantFrom(0, 2 ** 31 - 1, -(2 ** 31)))
const unsigned32 = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  fc.constantFrom(0, 2 ** 32 - 1),
)
const signed64 = integerText(-(2n ** 63n), 2n ** 63n - 1n)
const unsigned64 = integerText(0n, 2n ** 64n - 1n)
const bytes = fc.uint8Array({ maxLength: 20 }).map((each) => Buffer.from(each).toString('base64'))

/** The JSON mapping writes what is no number as text. -0 is left out: JSON.stringify makes it 0. */
function floating(numbers: fc.Arbitrary<number>): Json {
  return numbers.map((value) => (Number.isFinite(value) ? value + 0 : String(value)))
}

const scalars: Record<ScalarType, Json> = {
  [ScalarType.STRING]: text,
  [ScalarType.BYTES]: bytes,
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.INT32]: signed32,
  [ScalarType.SINT32]: signed32,
  [ScalarType.SFIXED32]: signed32,
  [ScalarType.UINT32]: unsigned32,
  [ScalarType.FIXED32]: unsigned32,
  [ScalarType.INT64]: signed64,
  [ScalarType.SINT64]: signed64,
  [ScalarType.SFIXED64]: signed64,
  [ScalarType.UINT64]: unsigned64,
  [ScalarType.FIXED64]: unsigned64,
  [ScalarType.FLOAT]: floating(fc.float()),
  [ScalarType.DOUBLE]: floating(fc.double()),
}

const nanos = fc.oneof(
  fc.constant(''),
  fc.integer({ min: 1, max: 999_999_999 }).map((each) => `.${String(each).padStart(9, '0')}`),
)
const timestamp = fc
  .tuple(
    fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
    nanos,
  )
  .map(([date, fraction]) => `${date.toISOString().slice(0, 19)}${fraction}Z`)
const duration = fc
  .tuple(fc.constantFrom('', '-'), fc.integer({ min: 0, max: 315_576_000_000 - 1 }), nanos)
  .map(([sign, seconds, fraction]) => `${sign}${seconds}${fraction}s`)
const word = fc.string({
  unit: fc.constantFrom('a', 'b', 'c', 'x', 'y', 'z'),
  minLength: 1,
  maxLength: 4,
})
const maskPath = fc
  .array(fc.array(word, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 })
  .map((names) => names.map((words) => words.map(capital).join('')).join('.'))
const mask = fc.array(maskPath, { maxLength: 3 }).map((paths) => paths.join(','))

function capital(word: string, index: number): string {
  return index === 0 ? word : `${word[0]?.toUpperCase()}${word.slice(1)}`
}

const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
const { value: anyJson } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.boolean(),
    number,
    text,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
}))

const wellKnown: Record<string, Json> = {
  'google.protobuf.Timestamp': timestamp,
  'google.protobuf.Duration': duration,
  'google.protobuf.FieldMask': mask,
  'google.protobuf.Empty': fc.constant({}),
  'google.protobuf.Struct': fc.dictionary(key, anyJson, { maxKeys: 4, noNullPrototype: true }),
  'google.protobuf.ListValue': fc.array(anyJson, { maxLength: 4 }),
  'google.protobuf.Value': anyJson,
}

/** Whether a path or query text can fill the field: no map, no message but those of one text. */
export function isText(field: DescField): boolean {
  if (field.fieldKind === 'map') return false
  const { message } = field
  if (message === undefined || isWrapperDesc(message)) return true
  return /\.(?:Timestamp|Duration|FieldMask)$/.test(message.typeName)
}

/** Random messages in their JSON form, with each field there or not. `deep` is how far they nest. */
export function richJson(desc: DescMessage, deep = 2): fc.Arbitrary<JsonObject> {
  const alone = desc.fields.filter((field) => field.oneof === undefined && wanted(field, deep))
  const record = fc.record(
    Object.fromEntries(alone.map((field) => [field.jsonName, fieldJson(field, deep)])),
    { requiredKeys: [] },
  )
  const choices = desc.oneofs.map((oneof) =>
    fc.oneof(
      fc.constant({}),
      ...oneof.fields
        .filter((field) => wanted(field, deep))
        .map((field) => fieldJson(field, deep).map((value) => ({ [field.jsonName]: value }))),
    ),
  )
  return fc.tuple(record, ...choices).map((parts) => Object.assign({}, ...parts) as JsonObject)
}

function wanted({ message }: DescField, deep: number): boolean {
  // Any needs a registry of types, which is an option of its own.
  if (message?.typeName === 'google.protobuf.Any') return false
  return deep > 0 || message === undefined || message.typeName.startsWith('google.protobuf.')
}

function fieldJson(field: DescField, deep: number): Json {
  if (field.fieldKind === 'list') return fc.array(valueJson(field, deep), { maxLength: 4 })
  if (field.fieldKind !== 'map') return valueJson(field, deep)
  const keys = scalars[field.mapKey].map(String)
  return fc.dictionary(field.mapKey === ScalarType.STRING ? key : keys, valueJson(field, deep), {
    maxKeys: 3,
    noNullPrototype: true,
  })
}

function valueJson({ message, enum: desc, scalar }: DescField, deep: number): Json {
  if (desc) return fc.oneof(fc.constantFrom(...desc.values.map(({ name }) => name)), fc.integer())
  if (message === undefined) return scalar === undefined ? fc.constant(null) : scalars[scalar]
  if (isWrapperDesc(message)) return scalars[message.fields[0].scalar]
  return wellKnown[message.typeName] ?? richJson(message, deep - 1)
}
