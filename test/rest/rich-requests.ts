import type { DescMessage, JsonObject, JsonValue } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { isText } from './rich.ts'

const segment = fc.string({ unit: 'binary', minLength: 1, maxLength: 10 })
const bytes = fc
  .uint8Array({ minLength: 1, maxLength: 10 })
  .map((each) => Buffer.from(each).toString('base64'))
const noSlash = segment.filter((each) => !each.includes('/'))
const several = fc
  .array(noSlash, { maxLength: 3 })
  .map((each) => each.map((one) => `/${one}`).join(''))

/** The fields that the paths of test.rest.v1.Echo cannot leave out, by method. */
export const required: Record<string, fc.Arbitrary<JsonObject>> = {
  Path: fc.record({
    text: segment,
    i32: fc.integer(),
    u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
    flag: fc.boolean(),
    color: fc.constantFrom('COLOR_UNSPECIFIED', 'RED', 'ULTRA'),
    raw: bytes,
    child: fc.record({ text: segment }),
    at: fc.constantFrom('2026-01-31T12:00:00Z', '1969-12-31T23:59:59.999999999Z'),
    span: fc.constantFrom('1.5s', '-0.000000001s', '315576000000s'),
    mask: fc.constantFrom('text', 'child.optI64,byText'),
    wI64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  }),
  Deep: fc.record({
    child: fc.record({ text: segment }),
    text: fc.tuple(noSlash, several).map(([room, doors]) => `rooms/${room}/doors${doors}`),
  }),
  ...Object.fromEntries(
    ['Child', 'List', 'Map', 'Scalar'].map((name) => [name, fc.record({ text: segment })]),
  ),
}

/** A message without what a query cannot carry, save the field that is the body. */
export function inQuery(desc: DescMessage, message: JsonObject, body: string): JsonObject {
  const entries = desc.fields.flatMap((field): [string, JsonValue][] => {
    const value = message[field.jsonName]
    if (value === undefined) return []
    if (isText(field) || field.name === body) return [[field.jsonName, value]]
    if (field.fieldKind !== 'message' || field.message.typeName.startsWith('google.')) return []
    const nested = inQuery(field.message, value as JsonObject, '')
    // A message is there because a field of it is; an empty list is no field.
    const empty = Object.values(nested).every((each) => Array.isArray(each) && each.length === 0)
    return empty ? [] : [[field.jsonName, nested]]
  })
  return Object.fromEntries(entries)
}
