import { ScalarType } from '@bufbuild/protobuf'
import { isInteger, isNumber } from './number-text.ts'

/** Says what is allowed where a text was not. */
export class InvalidText extends Error {
  override readonly name = 'InvalidText'
}

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

/** Reads a text as a scalar, by the JSON mapping of protobuf but without quotes. Throws InvalidText. */
export function parseScalar(type: ScalarType, text: string): unknown {
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
  const value = text.length <= 20 && isInteger(text) ? BigInt(text) : undefined
  if (value === undefined || value < least || value > most)
    throw new InvalidText(`must be an integer from ${least} to ${most}`)
  return is64Bit.has(type) ? value : Number(value)
}

function parseFloating(type: ScalarType, text: string): number {
  if (['NaN', 'Infinity', '-Infinity'].includes(text)) return Number(text)
  const value = isNumber(text) ? Number(text) : Number.NaN
  const finite = Number.isFinite(type === ScalarType.FLOAT ? Math.fround(value) : value)
  if (!finite) throw new InvalidText('must be a number in range, NaN, Infinity or -Infinity')
  return value
}

/** All four forms: the standard alphabet and the one for URLs, each with its padding or without. */
function parseBytes(text: string): Uint8Array {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const digits = text.length - padding
  const whole = padding === 0 ? digits % 4 !== 1 : text.length % 4 === 0
  if (!whole || !isBase64(text, digits))
    throw new InvalidText('must be base64, standard or URL-safe')
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function isBase64(text: string, length: number): boolean {
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at)
    const letter = (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a
    const digit = code >= 0x30 && code <= 0x39
    if (!letter && !digit && !'+/-_'.includes(text[at] ?? '')) return false
  }
  return true
}
