import { create, fromJson, ScalarType } from '@bufbuild/protobuf'
import type { DescEnum, DescField, DescMessage } from '@bufbuild/protobuf'
import {
  DurationSchema,
  FieldMaskSchema,
  isWrapperDesc,
  TimestampSchema,
} from '@bufbuild/protobuf/wkt'
import { parseGoDuration } from './go-duration.ts'

/** Says what is allowed where a text was not. */
export class InvalidText extends Error {
  override readonly name = 'InvalidText'
}

const integer = /^-?(?:0|[1-9]\d*)$/
const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

const ranges = {
  [ScalarType.INT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.SINT32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.SFIXED32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ScalarType.UINT32]: [0n, 2n ** 32n - 1n],
  [ScalarType.FIXED32]: [0n, 2n ** 32n - 1n],
  [ScalarType.INT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.SINT64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.SFIXED64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ScalarType.UINT64]: [0n, 2n ** 64n - 1n],
  [ScalarType.FIXED64]: [0n, 2n ** 64n - 1n],
} as const

const is64Bit = new Set<ScalarType>([
  ScalarType.INT64,
  ScalarType.SINT64,
  ScalarType.SFIXED64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
])

/** What a path or query value may fill: one value, or one element of a list. */
export function isTextField(field: DescField): boolean {
  if (field.fieldKind === 'map') return false
  const { message } = field
  return message === undefined || isWrapperDesc(message) || message.typeName in textMessages
}

/**
 * Reads a path or query text as a value of the field, or of one element of a list, by the JSON
 * mapping of protobuf. Throws InvalidText.
 */
export function parseText(field: DescField, text: string): unknown {
  if (field.enum) return parseEnum(field.enum, text)
  if (field.message) return parseMessage(field.message, text, field.fieldKind === 'list')
  if (field.scalar !== undefined) return parseScalar(field.scalar, text)
  throw new InvalidText('cannot be given here')
}

function parseScalar(type: ScalarType, text: string): unknown {
  switch (type) {
    case ScalarType.STRING:
      return text
    case ScalarType.BOOL:
      if (text === 'true' || text === 'false') return text === 'true'
      throw new InvalidText('must be true or false')
    case ScalarType.BYTES:
      return parseBytes(text)
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return parseFloating(type, text)
    default:
      return parseInteger(type, text)
  }
}

function parseInteger(type: keyof typeof ranges, text: string): number | bigint {
  const [least, most] = ranges[type]
  const value = integer.test(text) && text.length <= 20 ? BigInt(text) : undefined
  if (value === undefined || value < least || value > most)
    throw new InvalidText(`must be an integer from ${least} to ${most}`)
  return is64Bit.has(type) ? value : Number(value)
}

function parseFloating(type: ScalarType, text: string): number {
  if (['NaN', 'Infinity', '-Infinity'].includes(text)) return Number(text)
  const value = number.test(text) ? Number(text) : Number.NaN
  const finite = Number.isFinite(type === ScalarType.FLOAT ? Math.fround(value) : value)
  if (!finite) throw new InvalidText('must be a number in range, NaN, Infinity or -Infinity')
  return value
}

function parseBytes(text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) || text.replace(/=+$/, '').length % 4 === 1)
    throw new InvalidText('must be base64, standard or URL-safe')
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function parseEnum(desc: DescEnum, text: string): number {
  const named = desc.values.find(({ name }) => name === text)
  if (named) return named.number
  const value = integer.test(text) ? Number(text) : Number.NaN
  const fits = value >= -(2 ** 31) && value < 2 ** 31
  if (fits && (desc.open || desc.value[value])) return value
  throw new InvalidText(`must be one of ${desc.values.map(({ name }) => name).join(', ')}`)
}

const textMessages: Record<string, (text: string) => unknown> = {
  [TimestampSchema.typeName]: (text) =>
    jsonText(TimestampSchema, text, 'must be an RFC 3339 time such as 2026-01-31T12:00:00Z'),
  [DurationSchema.typeName]: (text) =>
    parseGoDuration(text) ??
    jsonText(DurationSchema, text, 'must be a duration such as 1.5s or 1m30s'),
  [FieldMaskSchema.typeName]: parseFieldMask,
}

function parseMessage(desc: DescMessage, text: string, inList: boolean): unknown {
  if (isWrapperDesc(desc)) {
    const value = parseText(desc.fields[0], text)
    // Generated code holds a singular wrapper unwrapped.
    return inList ? create(desc, { value }) : value
  }
  const parse = textMessages[desc.typeName]
  if (parse === undefined) throw new InvalidText('cannot be given here; name a field of it')
  return parse(text)
}

function jsonText(desc: DescMessage, text: string, rule: string): unknown {
  try {
    return fromJson(desc, text)
  } catch {
    throw new InvalidText(rule)
  }
}

/** Paths split by commas, in snake_case or, as the JSON mapping writes them, in lowerCamelCase. */
function parseFieldMask(text: string): unknown {
  const paths = text
    .split(',')
    .map((path) => path.trim().replace(/[A-Z]/g, (upper) => `_${upper.toLowerCase()}`))
    .filter((path) => path !== '')
  return create(FieldMaskSchema, { paths })
}
