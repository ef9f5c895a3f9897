import { type DescField, ScalarType } from '@bufbuild/protobuf'
import { base64Decode } from '@bufbuild/protobuf/wire'
import type { ExactJson } from './json.ts'
import { isInteger, isNumber } from './number-text.ts'
import { type IntegerType, is64Bit, rangeOf } from './integer-type.ts'
import { scalarRule } from './scalar-rule.ts'

/** The place of a value in the JSON of a message. */
export interface Place {
  /** Of a member, or the index of an element. */
  name: string | number
  in?: Place | undefined
  /** The name is the key of a map. */
  isKey?: boolean
}

/** As the client wrote it: `author.name`, `tags[1]`, `labels["a"]`. Empty for the whole message. */
function pathOf(place: Place | undefined): string {
  if (place === undefined) return ''
  const { name, isKey = false } = place
  const before = pathOf(place.in)
  if (typeof name === 'number' || isKey) return `${before}[${JSON.stringify(name)}]`
  return before === '' ? name : `${before}.${name}`
}

/** A value that its field cannot have. The message is the rule that it breaks. */
export class InvalidJson extends Error {
  override readonly name = 'InvalidJson'
  readonly path: string
  readonly rule: string
  constructor(rule: string, place: Place | undefined) {
    const path = pathOf(place)
    super(`${path || 'the JSON'}${path && ':'} ${rule}`)
    this.path = path
    this.rule = rule
  }
}

/**
 * Converts the JSON of a scalar to the form in which protobuf-es reads it exactly. Throws InvalidJson,
 * with the rules of the field where it is one.
 */
export function scalarFromJson(
  type: ScalarType,
  json: ExactJson,
  place: Place | undefined,
  field?: DescField,
): ExactJson {
  const value = readers[type](json, type as IntegerType)
  if (value === undefined) throw new InvalidJson(scalarRule(type, field), place)
  if (value === notUnicode) throw new InvalidJson(unicodeRule, place)
  return value
}

const unicodeRule = 'must be Unicode text without lone surrogates'
const notUnicode = Symbol(unicodeRule)

type Read = (json: ExactJson, type: IntegerType) => ExactJson | undefined | typeof notUnicode

const readers: Record<ScalarType, Read> = {
  [ScalarType.STRING]: text,
  [ScalarType.BOOL]: (json) => (typeof json === 'boolean' ? json : undefined),
  [ScalarType.BYTES]: (json) => (typeof json === 'string' && isBase64(json) ? json : undefined),
  [ScalarType.DOUBLE]: (json) => floating(json, Number),
  [ScalarType.FLOAT]: (json) => floating(json, Math.fround),
  [ScalarType.INT32]: integer,
  [ScalarType.SINT32]: integer,
  [ScalarType.SFIXED32]: integer,
  [ScalarType.UINT32]: integer,
  [ScalarType.FIXED32]: integer,
  [ScalarType.INT64]: integer,
  [ScalarType.SINT64]: integer,
  [ScalarType.SFIXED64]: integer,
  [ScalarType.UINT64]: integer,
  [ScalarType.FIXED64]: integer,
}

function text(json: ExactJson): string | undefined | typeof notUnicode {
  if (typeof json !== 'string') return undefined
  return json.isWellFormed() ? json : notUnicode
}

function isBase64(json: string): boolean {
  try {
    base64Decode(json)
    return true
  } catch {
    return false
  }
}

function floating(json: ExactJson, rounded: (value: number) => number): ExactJson | undefined {
  if (json === 'NaN' || json === 'Infinity' || json === '-Infinity') return json
  const value = typeof json === 'string' && isNumber(json) ? Number(json) : json
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined
  return Number.isFinite(rounded(Number(value))) ? Number(value) : undefined
}

/** Decimals only: JavaScript also reads `0x10`, `+1`, `01` and spaces. */
function integer(json: ExactJson, type: IntegerType): ExactJson | undefined {
  const value = integerOf(json, is64Bit(type))
  if (value === undefined) return undefined
  const [min, max] = rangeOf(type)
  // A text stays a text: protobuf-es reads both exactly.
  return value >= min && value <= max ? (typeof json === 'string' ? json : value) : undefined
}

function integerOf(json: ExactJson, exact: boolean): number | bigint | undefined {
  if (typeof json === 'bigint') return json
  // A number past 2^53 with a fraction or an exponent is rounded already.
  if (typeof json === 'number') return Number.isSafeInteger(json) ? json : undefined
  if (typeof json !== 'string') return undefined
  if (exact) return json.length <= 20 && isInteger(json) ? BigInt(json) : undefined
  const value = isNumber(json) ? Number(json) : Number.NaN
  return Number.isSafeInteger(value) ? value : undefined
}
