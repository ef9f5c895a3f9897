import { isUtf8 } from 'node:buffer'

/** The escapes that are decoded in the value of a variable of several segments. */
export type UnescapeMode = 'all-except-slash' | 'all-except-reserved' | 'all'

const keptEscapes: Record<UnescapeMode, string> = {
  'all-except-slash': '/',
  'all-except-reserved': ":/?#[]@!$&'()*+,;=",
  all: '',
}
const percent = 0x25

/** Decodes a single segment, %2F included; undefined if malformed. */
export function unescapeSegment(raw: string): string | undefined {
  return unescape(raw, '')
}

/**
 * Decodes the value of a variable of several segments; undefined if malformed. The escapes that the
 * mode keeps stay as written, so that an escaped "/" in the data differs from a separator.
 */
export function unescapeMulti(raw: string, mode: UnescapeMode): string | undefined {
  return unescape(raw, keptEscapes[mode])
}

/** Decodes escapes and UTF-8. */
function unescape(raw: string, kept: string): string | undefined {
  if (isPlain(raw)) return raw
  const text = unescapedBytes(raw, kept)
  return text && isUtf8(text) ? text.toString() : undefined
}

/**
 * Decodes escapes to bytes of any kind; undefined if malformed. Node gives request targets as Latin-1,
 * one character per byte, so bytes above 0x7F, which some clients send unescaped, are taken as they are.
 */
export function unescapedBytes(raw: string, kept = ''): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(raw.length)
  let length = 0
  for (let at = 0; at < raw.length; at += 1) {
    const code = raw.charCodeAt(at)
    if (code > 0xff) return undefined
    if (code !== percent) {
      bytes[length++] = code
      continue
    }
    const byte = hexValue(raw.charCodeAt(at + 1)) * 16 + hexValue(raw.charCodeAt(at + 2))
    if (Number.isNaN(byte)) return undefined
    if (kept.includes(String.fromCharCode(byte)))
      length += bytes.write(raw.slice(at, at + 3), length)
    else bytes[length++] = byte
    at += 2
  }
  return bytes.subarray(0, length)
}

/** Whether a text has neither escapes nor bytes above ASCII: decoding would not change it. */
export function isPlain(raw: string): boolean {
  for (let at = 0; at < raw.length; at += 1) {
    const code = raw.charCodeAt(at)
    if (code === percent || code > 0x7f) return false
  }
  return true
}

function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : Number.NaN
}
