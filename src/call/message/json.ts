const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** JSON whose large integers are exact. */
export type ExactJson = null | boolean | number | string | bigint | ExactJson[] | ExactObject
/** A JSON object whose large integers are exact. */
export interface ExactObject {
  [name: string]: ExactJson
}

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown
// TypeScript does not know the third parameter of revivers, which has the text of a number.
const parse = JSON.parse as (json: string, reviver?: Reviver) => unknown

// Shorter integers cannot pass 2^53, and most bodies have none of these outside of their texts.
const longInteger = /(?:^|[:[,\s-])\d{16}/
// No integer of 64 bits is longer, with its sign.
const maxDigits = 20

/**
 * Parses JSON. Integers beyond ±(2^53 - 1), which JSON.parse rounds, become bigints; those that are
 * longer than any of 64 bits, and numbers with a fraction or an exponent, stay what JSON.parse makes
 * of them. Throws SyntaxError, and RangeError for some thousand levels around a large integer.
 */
export function parseExact(json: string): ExactJson {
  return (longInteger.test(json) ? parse(json, exactNumber) : parse(json)) as ExactJson
}

const exactNumber: Reviver = (_key, value, { source = '' }) =>
  typeof value === 'number' && !Number.isSafeInteger(value) && isLongInteger(source)
    ? BigInt(source)
    : value

function isLongInteger(source: string): boolean {
  return source.length <= maxDigits && /^-?\d+$/.test(source)
}

/** As deep as Go's encoding/json reads. */
export const maxJsonDepth = 10_000

/**
 * Whether objects and arrays are nested deeper than `maxJsonDepth`. To be asked before JSON.parse, which
 * blocks the event loop for 15 ms at 100,000 levels; this stops at the level that is too deep.
 */
export function isTooDeep(json: string): boolean {
  if (json.length <= maxJsonDepth) return false
  let depth = 0
  for (let at = 0; at < json.length && depth <= maxJsonDepth;) {
    const unit = json.charCodeAt(at)
    // [ and { differ by this bit alone, and so do ] and }.
    const bracket = unit | 0x20
    if (bracket === openBrace) depth += 1
    else if (bracket === closeBrace) depth -= 1
    at = unit === quote ? endOfString(json, at) : at + 1
  }
  return depth > maxJsonDepth
}

/**
 * The first name that an object has twice, which JSON.parse accepts; undefined if there is none. The
 * text must be valid JSON.
 */
export function repeatedName(json: string): string | undefined {
  // The names of each open object; an array has none.
  const open: (Set<string> | undefined)[] = []
  let names: Set<string> | undefined
  let isName = false
  for (let at = 0; at < json.length; at += 1) {
    const unit = json.charCodeAt(at)
    if (unit === quote) {
      const end = endOfString(json, at)
      if (isName && names) {
        const name = nameOf(json.slice(at, end))
        if (names.has(name)) return name
        names.add(name)
      }
      at = end - 1
    } else if (unit === openBrace || unit === openBracket) {
      open.push((names = unit === openBrace ? new Set() : undefined))
      isName = true
    } else if (unit === closeBrace || unit === closeBracket) {
      open.pop()
      names = open.at(-1)
    } else if (unit === colon) isName = false
    else if (unit === comma) isName = true
  }
  return undefined
}

/** The value of a JSON string that is given with its quotes. */
function nameOf(text: string): string {
  return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1)
}

function endOfString(json: string, start: number): number {
  let at = start + 1
  while (at < json.length && json.charCodeAt(at) !== quote) {
    at += json.charCodeAt(at) === backslash ? 2 : 1
  }
  return at + 1
}
