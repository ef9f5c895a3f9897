import { randomFillSync } from 'node:crypto'

/**
 * A trace id of W3C Trace Context: its 32 hexadecimal digits, and its 16 bytes as four words, the
 * first byte the lowest of the first word.
 */
export interface TraceId {
  readonly hex: string
  readonly first: number
  readonly second: number
  readonly third: number
  readonly fourth: number
}

/** A span id of W3C Trace Context, in the same way: 16 digits, 8 bytes, two words. */
export interface SpanId {
  readonly hex: string
  readonly first: number
  readonly second: number
}

const digitsOfWord = 8

// One call for many random bytes is cheaper than one for each id, and so is one for their digits.
const words = new Int32Array(4096)
const bytes = Buffer.from(words.buffer)
let digits = ''
let used = words.length

/** Takes so many random words; gives the index of the first. */
function take(count: number): number {
  if (used + count > words.length) {
    randomFillSync(words)
    // W3C Trace Context calls an id of zeros invalid.
    for (let at = 0; at < words.length; at += 1) words[at] ||= 1
    digits = bytes.toString('hex')
    used = 0
  }
  used += count
  return used - count
}

const wordAt = (at: number): number => words[at] ?? 0

/** A new trace id. */
export function newTraceId(): TraceId {
  const at = take(4)
  return {
    hex: digits.slice(at * digitsOfWord, (at + 4) * digitsOfWord),
    first: wordAt(at),
    second: wordAt(at + 1),
    third: wordAt(at + 2),
    fourth: wordAt(at + 3),
  }
}

/** A new span id. */
export function newSpanId(): SpanId {
  const at = take(2)
  const hex = digits.slice(at * digitsOfWord, (at + 2) * digitsOfWord)
  return { hex, first: wordAt(at), second: wordAt(at + 1) }
}

/** The trace id of these digits. */
export function traceIdOf(hex: string): TraceId {
  const given = Buffer.from(hex, 'hex')
  return {
    hex,
    first: given.readInt32LE(0),
    second: given.readInt32LE(4),
    third: given.readInt32LE(8),
    fourth: given.readInt32LE(12),
  }
}

/** The span id of these digits. */
export function spanIdOf(hex: string): SpanId {
  const given = Buffer.from(hex, 'hex')
  return { hex, first: given.readInt32LE(0), second: given.readInt32LE(4) }
}
