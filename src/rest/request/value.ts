import { create, toJson } from '@bufbuild/protobuf'
import type { DescEnum, DescField, DescMessage } from '@bufbuild/protobuf'
import {
  DurationSchema,
  type FieldMask,
  FieldMaskSchema,
  isWrapperDesc,
  TimestampSchema,
} from '@bufbuild/protobuf/wkt'
import { goDuration } from './go-duration.ts'
import { isInteger } from '../../call/message/number-text.ts'
import { readText } from '../../call/message/text-message.ts'
import { InvalidText, parseScalar } from './scalar-text.ts'

/** Extensions of the JSON mapping for texts in paths, queries and forms. */
export interface TextOptions {
  /** Whether durations may be in Go's syntax, such as `1m30s`, which Kratos clients send. */
  goDurations: boolean
  /** Whether enum names may be in any case. */
  caseInsensitiveEnums: boolean
}

/** Whether a text can fill the field, or one element of it if it is a list. */
export function isTextField(field: DescField): boolean {
  return field.fieldKind !== 'map' && isTextType(field)
}

/**
 * Whether the type of the field, of its elements or of its map's values can be read from a text.
 */
export function isTextType({ message }: DescField): boolean {
  return message === undefined || isWrapperDesc(message) || textMessages.has(message.typeName)
}

/**
 * Reads a path or query text as a value of the field, or of one element of a list or map, by the
 * JSON mapping of protobuf. Throws InvalidText.
 */
export function parseText(field: DescField, text: string, options: TextOptions): unknown {
  if (field.enum) return parseEnum(field.enum, text, options)
  if (field.message) {
    const singular = field.fieldKind === 'message'
    return parseMessage(field.message, text, options, singular && field.oneof === undefined)
  }
  if (field.scalar !== undefined) return parseScalar(field.scalar, text, field)
  throw new InvalidText('cannot be given here')
}

function parseEnum(desc: DescEnum, text: string, { caseInsensitiveEnums }: TextOptions): number {
  const named = desc.values.find(({ name }) => name === text)
  if (named) return named.number
  const folded = text.toUpperCase()
  const alike = caseInsensitiveEnums
    ? desc.values.find(({ name }) => name.toUpperCase() === folded)
    : undefined
  if (alike) return alike.number
  if (desc.typeName === 'google.protobuf.NullValue' && text === 'null') return 0
  const value = text.length <= 11 && isInteger(text) ? Number(text) : Number.NaN
  const fits = value >= -(2 ** 31) && value < 2 ** 31
  if (fits && (desc.open || desc.value[value])) return value
  throw new InvalidText(`must be one of ${desc.values.map(({ name }) => name).join(', ')}`)
}

type ParseMessage = (text: string, options: TextOptions) => unknown

const textMessages = new Map<string, ParseMessage>([
  [
    TimestampSchema.typeName,
    (text) =>
      readText(TimestampSchema, text) ??
      refuse('must be an RFC 3339 time such as 2026-01-31T12:00:00Z'),
  ],
  [DurationSchema.typeName, parseDuration],
  [FieldMaskSchema.typeName, parseFieldMask],
])

function parseMessage(
  desc: DescMessage,
  text: string,
  options: TextOptions,
  unwrapped: boolean,
): unknown {
  if (isWrapperDesc(desc)) {
    const [{ scalar }] = desc.fields
    const ofText = desc.typeName.endsWith('.StringValue') || desc.typeName.endsWith('.BytesValue')
    const value = parseScalar(scalar, ofText ? text : unquoted(text))
    // Generated code holds a singular wrapper unwrapped, except in a oneof.
    return unwrapped ? value : create(desc, { value })
  }
  const parse = textMessages.get(desc.typeName)
  if (parse === undefined) throw new InvalidText('cannot be given here; name a field of it')
  return parse(unquoted(text), options)
}

/** Some clients send the JSON of these types with its quotes. */
function unquoted(text: string): string {
  const quoted = text.length > 1 && text.startsWith('"') && text.endsWith('"')
  return quoted ? text.slice(1, -1) : text
}

function refuse(rule: string): never {
  throw new InvalidText(rule)
}

function parseDuration(text: string, { goDurations }: TextOptions): unknown {
  const duration = readText(DurationSchema, text) ?? (goDurations ? readGo(text) : undefined)
  return duration ?? refuse('must be seconds with the unit s, such as 1.5s')
}

const nanosPerSecond = 1_000_000_000n
// The limit of google.protobuf.Duration: about 10,000 years.
const maxSeconds = 315_576_000_000n

function readGo(text: string): unknown {
  const nanos = goDuration(text)
  const seconds = nanos === undefined ? undefined : nanos / nanosPerSecond
  if (nanos === undefined || seconds === undefined) return undefined
  if (seconds > maxSeconds || seconds < -maxSeconds) return undefined
  return create(DurationSchema, { seconds, nanos: Number(nanos % nanosPerSecond) })
}

/** Reads paths, split by commas, in snake_case or in the lowerCamelCase of the JSON mapping. */
function parseFieldMask(text: string): unknown {
  const paths = text
    .split(',')
    .map((path) => snakeCase(path.trim()))
    .filter((path) => path !== '')
  const mask = create(FieldMaskSchema, { paths })
  // Rejects paths such as `line_1`: its JSON form `line1` reads as another path, so toJson throws.
  return hasJson(mask) ? mask : refuse('must be field paths such as name,address.city')
}

function hasJson(mask: FieldMask): boolean {
  try {
    toJson(FieldMaskSchema, mask)
    return true
  } catch {
    return false
  }
}

function snakeCase(path: string): string {
  const lower = path.toLowerCase()
  if (lower === path) return path
  return Array.from(path, (char, at) => (char === lower[at] ? char : `_${lower[at]}`)).join('')
}
