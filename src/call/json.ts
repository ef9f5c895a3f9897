const quote = 0x22
const backslash = 0x5c
const minus = 0x2d
const openBrace = 0x7b
const closeBrace = 0x7d

// Shorter numbers without an exponent cannot pass 2^53, and most bodies have none of these.
const longNumber = /\d[\d.]{15}|\d[eE]\+?\d/

/** As deep as Go's encoding/json reads. */
export const maxJsonDepth = 10_000

/**
 * Whether objects and arrays are nested deeper than anybody means it. To be asked before JSON.parse, which
 * takes 15 ms for 100,000 levels, in which nobody else is served; this stops where it becomes too deep.
 */
export function isTooDeep(json: string): boolean {
  if (json.length <= maxJsonDepth) return false
  let depth = 0
  for (let at = 0; at < json.length && depth <= maxJsonDepth;) {
    const unit = json.charCodeAt(at)
    // [ and {, ] and } differ by this bit alone.
    const bracket = unit | 0x20
    if (bracket === openBrace) depth += 1
    else if (bracket === closeBrace) depth -= 1
    at = unit === quote ? endOfString(json, at) : at + 1
  }
  return depth > maxJsonDepth
}

/**
 * Puts quotes around integers beyond ±(2^53 - 1), which JSON.parse would round. The JSON mapping of
 * protobuf reads a quoted 64-bit integer exactly (and refuses one with an exponent or a fraction),
 * and Go's peers may send one bare. Text that is not JSON passes through for the parser to refuse.
 * `mark` is put in front, for whoever has to tell these strings from others.
 */
export function quoteUnsafeIntegers(json: string, mark = ''): string {
  if (!longNumber.test(json)) return json
  let out = ''
  let copied = 0
  for (let at = 0; at < json.length;) {
    const unit = json.charCodeAt(at)
    if (unit === quote) at = endOfString(json, at)
    else if (unit !== minus && !isDigit(unit)) at += 1
    else {
      const end = endOfNumber(json, at)
      const literal = json.slice(at, end)
      if (isUnsafe(literal) && !isKey(json, end)) {
        out += `${json.slice(copied, at)}"${mark}${literal}"`
        copied = end
      }
      at = end
    }
  }
  return out + json.slice(copied)
}

/** A whole number that a double does not hold for certain, or not at all; not what is no JSON number. */
function isUnsafe(literal: string): boolean {
  const value = Number(literal)
  const leadingZero = literal.startsWith('0') || literal.startsWith('-0')
  const bareDot = literal.includes('.') && !isDigit(literal.charCodeAt(literal.indexOf('.') + 1))
  if (Number.isNaN(value) || leadingZero || bareDot) return false
  return !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))
}

/** Whether a colon comes next: a number is no key, and quotes would make it one. */
function isKey(json: string, end: number): boolean {
  let at = end
  while (' \t\r\n'.includes(json[at] ?? '-')) at += 1
  return json[at] === ':'
}

function endOfString(json: string, start: number): number {
  let at = start + 1
  while (at < json.length && json.charCodeAt(at) !== quote) {
    at += json.charCodeAt(at) === backslash ? 2 : 1
  }
  return at + 1
}

function endOfNumber(json: string, start: number): number {
  let at = start + 1
  while (at < json.length && isNumberPart(json.charCodeAt(at))) at += 1
  return at
}

/** Digits, and `.`, `e`, `E`, `+`, `-`. */
function isNumberPart(unit: number): boolean {
  return isDigit(unit) || unit === 0x2e || (unit | 0x20) === 0x65 || unit === 0x2b || unit === minus
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39
}
