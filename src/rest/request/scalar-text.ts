import { type DescField, ScalarType } from '@bufbuild/protobuf'
import { isInteger, isNumber } from '../../call/message/number-text.ts'
import { type IntegerType, is64Bit, rangeOf } from '../../call/message/integer-type.ts'
import { scalarRule } from '../../call/message/scalar-rule.ts'

/** Thrown for a text that is no value of its field. The message is the rule that it breaks. */
export class InvalidText extends Error {
  override readonly name = 'InvalidText'
}

/**
 * Reads a text as a scalar by the JSON mapping of protobuf, without quotes. Throws InvalidText, with
 * the rules of the field where it is one.
 */
export function parseScalar(type: ScalarType, text: string, field?: DescField): unknown {
  switch (type) {
    case ScalarType.STRING:
      return text
    case ScalarType.BOOL:
      if (text === 'true' || text === 'false') return text === 'true'
      throw broken(type)
    case ScalarType.BYTES:
      return parseBytes(text)
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return parseFloating(type, text)
    default:
      return parseInteger(type, text, field)
  }
}

function broken(type: ScalarType, field?: DescField): InvalidText {
  return new InvalidText(scalarRule(type, field))
}

function parseInteger(type: IntegerType, text: string, field?: DescField): number | bigint {
  const [min, max] = rangeOf(type)
  const value = text.length <= 20 && isInteger(text) ? BigInt(text) : undefined
  if (value === undefined || value < min || value > max) throw broken(type, field)
  return is64Bit(type) ? value : Number(value)
}

function parseFloating(type: ScalarType, text: string): number {
  if (['NaN', 'Infinity', '-Infinity'].includes(text)) return Number(text)
  const value = isNumber(text) ? Number(text) : Number.NaN
  const finite = Number.isFinite(type === ScalarType.FLOAT ? Math.fround(value) : value)
  if (!finite) throw broken(type)
  return value
}

/** Reads all four forms of base64: the standard or the URL alphabet, with or without padding. */
function parseBytes(text: string): Uint8Array {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const digits = text.length - padding
  const whole = padding === 0 ? digits % 4 !== 1 : text.length % 4 === 0
  if (!whole || !isBase64(text, digits)) throw broken(ScalarType.BYTES)
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
