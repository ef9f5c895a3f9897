const quote = 0x22
const backslash = 0x5c
const minus = 0x2d

// A shorter number cannot pass 2^53, and most bodies have none this long.
const longNumber = /\d{16}/

/**
 * Puts quotes around integers beyond ±(2^53 - 1), which JSON.parse would round. The JSON mapping of
 * protobuf reads a quoted 64-bit integer exactly, and Go's peers may send one bare. Text that is not
 * JSON passes through for the parser to refuse.
 */
export function quoteUnsafeIntegers(json: string): string {
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
      if (/^-?\d+$/.test(literal) && !Number.isSafeInteger(Number(literal))) {
        out += `${json.slice(copied, at)}"${literal}"`
        copied = end
      }
      at = end
    }
  }
  return out + json.slice(copied)
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
  while (at < json.length && /[\d.eE+-]/.test(json.charAt(at))) at += 1
  return at
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39
}
