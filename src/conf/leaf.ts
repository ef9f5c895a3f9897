import { ScalarType, type DescField, type JsonValue } from '@bufbuild/protobuf'

/** A value as the file has it, or as text that a placeholder put there. */
type Leaf = {
  allowed: string
  accepts: (value: unknown) => value is JsonValue
  fromText: (text: string) => unknown
}

const text: Leaf = {
  allowed: 'a text, in quotes if it looks like something else',
  accepts: (value) => typeof value === 'string',
  fromText: (text) => text,
}

const flag: Leaf = {
  allowed: 'true or false',
  accepts: (value) => typeof value === 'boolean',
  fromText: (text) => (text === 'true' || text === 'false' ? text === 'true' : text),
}

const int32: Leaf = {
  allowed: 'a whole number of at most 32 bits, without quotes',
  accepts: (value): value is number => Number.isInteger(value) && value === (Number(value) | 0),
  fromText: (text) => (/^[+-]?\d+$/.test(text) ? Number(text) : text),
}

const double: Leaf = {
  allowed: 'a number, without quotes',
  accepts: (value): value is number => typeof value === 'number' && Number.isFinite(value),
  fromText: (text) => (/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : text),
}

// google/protobuf/duration.proto: 10,000 years.
const maxSeconds = 315_576_000_000

const duration: Leaf = {
  allowed: 'a duration in seconds, such as 1s or 0.5s',
  accepts: (value): value is string =>
    typeof value === 'string' &&
    /^-?\d+(\.\d{1,9})?s$/.test(value) &&
    Math.abs(Number.parseFloat(value)) <= maxSeconds,
  fromText: (text) => text,
}

const scalars: Partial<Record<ScalarType, Leaf>> = {
  [ScalarType.STRING]: text,
  [ScalarType.BOOL]: flag,
  [ScalarType.INT32]: int32,
  [ScalarType.DOUBLE]: double,
}

/**
 * How a field's value, or the values of a map, are written. Undefined: a type that no setting has yet;
 * protojson's own decoder then judges the value.
 */
export function leafOf(field: DescField): Leaf | undefined {
  if (field.fieldKind === 'list') return undefined
  if (field.scalar !== undefined) return scalars[field.scalar]
  return isDuration(field) ? duration : undefined
}

/** Whether the field, or the values of the map, are durations. */
export function isDuration(field: DescField): boolean {
  return field.message?.typeName === 'google.protobuf.Duration'
}

/** Whether messages must not have the value: it may be a password or a token. */
export function isSecret(field: DescField): boolean {
  return field.proto.options?.debugRedact === true
}
