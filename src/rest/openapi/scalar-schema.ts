import { type DescMessage, ScalarType } from '@bufbuild/protobuf'
import { isWrapperDesc } from '@bufbuild/protobuf/wkt'

/** A JSON Schema (2020-12), or a part of an OpenAPI document. */
export type Schema = Record<string, unknown>

const int32 = { type: 'integer', format: 'int32', minimum: -(2 ** 31), maximum: 2 ** 31 - 1 }
const uint32 = { type: 'integer', format: 'uint32', minimum: 0, maximum: 2 ** 32 - 1 }
// Strings only: generators of clients reject `type: [integer, string]`.
const int64 = { type: 'string', format: 'int64', pattern: '^(0|-?[1-9][0-9]{0,18})$' }
const uint64 = { type: 'string', format: 'uint64', pattern: '^(0|[1-9][0-9]{0,19})$' }
const notFinite = { type: 'string', enum: ['NaN', 'Infinity', '-Infinity'] }
const floating = (format: string, limits: Schema = {}): Schema => ({
  anyOf: [{ type: 'number', format, ...limits }, notFinite],
})
const maxFloat = 3.4028234663852886e38

/** The JSON form of each scalar type. */
export const scalarSchemas: Readonly<Record<ScalarType, Schema>> = {
  [ScalarType.STRING]: { type: 'string' },
  [ScalarType.BOOL]: { type: 'boolean' },
  // Tools before 3.1 read `format`.
  [ScalarType.BYTES]: { type: 'string', contentEncoding: 'base64', format: 'byte' },
  [ScalarType.FLOAT]: floating('float', { minimum: -maxFloat, maximum: maxFloat }),
  [ScalarType.DOUBLE]: floating('double'),
  [ScalarType.INT32]: int32,
  [ScalarType.SINT32]: int32,
  [ScalarType.SFIXED32]: int32,
  [ScalarType.UINT32]: uint32,
  [ScalarType.FIXED32]: uint32,
  [ScalarType.INT64]: int64,
  [ScalarType.SINT64]: int64,
  [ScalarType.SFIXED64]: int64,
  [ScalarType.UINT64]: uint64,
  [ScalarType.FIXED64]: uint64,
}

/**
 * The schema of a scalar type with the keywords of rules. JSON has texts for the numbers that are none or
 * not finite, and limits refuse them: of NaN no comparison holds.
 */
export function limited(schema: Schema, keywords: Schema): Schema {
  const has = (...names: string[]) => names.some((name) => name in keywords)
  const [below, above] = [has('minimum', 'exclusiveMinimum'), has('maximum', 'exclusiveMaximum')]
  const [number] = Array.isArray(schema['anyOf']) ? (schema['anyOf'] as Schema[]) : []
  if (number === undefined || !(below || above || has('enum'))) return { ...schema, ...keywords }
  if ((below && above) || has('enum')) return { ...number, ...keywords }
  const text = { type: 'string', const: below ? 'Infinity' : '-Infinity' }
  return { anyOf: [{ ...number, ...keywords }, text] }
}

// The form of JSON; snake_case is accepted in queries, too. Each text matches in one way only:
// validators that backtrack stay linear.
const fieldPaths = '^([A-Za-z][A-Za-z0-9]*([.,][A-Za-z][A-Za-z0-9]*)*)?$'

const wellKnown: Readonly<Record<string, Schema>> = {
  'google.protobuf.Timestamp': { type: 'string', format: 'date-time' },
  'google.protobuf.Duration': {
    type: 'string',
    pattern: '^-?[0-9]{1,12}(\\.[0-9]{1,9})?s$',
    examples: ['1.5s'],
  },
  'google.protobuf.FieldMask': { type: 'string', pattern: `${fieldPaths}|^\\*$` },
  'google.protobuf.Empty': { type: 'object' },
  'google.protobuf.Struct': { type: 'object', additionalProperties: true },
  'google.protobuf.Value': {},
  'google.protobuf.ListValue': { type: 'array', items: {} },
  // An Any without a message is `{}`.
  'google.protobuf.Any': {
    type: 'object',
    properties: { '@type': { type: 'string', minLength: 1 } },
    additionalProperties: true,
  },
}

/** The schema of a message whose JSON is not an object of its fields; undefined for all others. */
export function wellKnownSchema(desc: DescMessage): Schema | undefined {
  return isWrapperDesc(desc) ? scalarSchemas[desc.fields[0].scalar] : wellKnown[desc.typeName]
}
