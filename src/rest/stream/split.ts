import { gatheredBytes } from '../../call/message/gathered-bytes.ts'
import { malformedBody } from '../../call/message/json-message.ts'
import { bodyTooLarge } from '../errors.ts'

/** Cuts a body into the JSON of its messages. */
export interface Splitter {
  /** The messages that end in this chunk, in order. */
  push(chunk: Uint8Array): Iterable<Uint8Array>
  /** Those that end with the body. Throws MALFORMED_BODY for one that is cut off. */
  end(): Iterable<Uint8Array>
  /** Where the last message was, as `line 3`. */
  place(): string
}

/** A message that is being read, whose parts may lie in several chunks. */
function unfinished(maxBytes: number) {
  let parts = gatheredBytes()

  function add(part: Uint8Array): void {
    if (parts.size() + part.byteLength > maxBytes) throw bodyTooLarge(maxBytes, 'message')
    parts.add(part)
  }

  return {
    /** Throws BODY_TOO_LARGE. */
    add(part: Uint8Array): void {
      // A copy, since the chunk is much longer than what is left of it here.
      add(parts.size() === 0 ? Uint8Array.from(part) : part)
    },
    /** The message that ends with `part`. Throws BODY_TOO_LARGE. */
    take(part: Uint8Array): Uint8Array {
      add(part)
      const whole = parts.bytes()
      parts = gatheredBytes()
      return whole
    },
    size: () => parts.size(),
  }
}

const newline = 0x0a
const isSpace = (byte: number | undefined) =>
  byte === 0x20 || byte === newline || byte === 0x0d || byte === 0x09

/**
 * One message a line; lines of white space are none, and cost a look at each byte, since a few bytes can
 * stand for millions. Works on bytes, of which UTF-8 has several.
 */
export function lineSplitter(maxBytes: number): Splitter {
  const rest = unfinished(maxBytes)
  let lines = 0

  function whole(part: Uint8Array): Uint8Array {
    lines += 1
    return rest.take(part)
  }

  /** Where the next message begins in a chunk. */
  function afterSpace(chunk: Uint8Array, from: number): number {
    let at = from
    for (; isSpace(chunk[at]); at += 1) if (chunk[at] === newline) lines += 1
    return at
  }

  return {
    *push(chunk) {
      let from = rest.size() === 0 ? afterSpace(chunk, 0) : 0
      for (let at = chunk.indexOf(newline, from); at !== -1; at = chunk.indexOf(newline, from)) {
        yield whole(chunk.subarray(from, at))
        from = afterSpace(chunk, at + 1)
      }
      if (from < chunk.length) rest.add(chunk.subarray(from))
    },
    *end() {
      if (rest.size() > 0) yield whole(new Uint8Array())
    },
    place: () => `line ${lines}`,
  }
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const openBracket = 0x5b
const closeBracket = 0x5d
const isOpening = (byte: number) => byte === 0x7b || byte === openBracket
const isClosing = (byte: number) => byte === 0x7d || byte === closeBracket

/** What may come next outside of the messages. */
type Expected = 'anything' | 'value' | 'first value' | 'separator' | 'nothing'

/**
 * The elements of a JSON array, or values that follow each other, as the first character tells. It
 * finds their ends only; whether each is JSON is for its reader to see.
 */
export function valueSplitter(maxBytes: number): Splitter {
  const rest = unfinished(maxBytes)
  const value = valueScanner()
  let isArray = false
  let expected: Expected = 'anything'
  let count = 0

  /** Takes a byte between two messages. Returns whether a message begins with it. */
  function between(byte: number): boolean {
    if (isSpace(byte)) return false
    if (expected === 'anything' && count === 0 && !isArray && byte === openBracket) {
      isArray = true
      expected = 'first value'
      return false
    }
    if (!isArray) return true
    const closes = byte === closeBracket && expected !== 'value' && expected !== 'nothing'
    if (closes) expected = 'nothing'
    else if (expected === 'separator' && byte === comma) expected = 'value'
    else if (expected === 'value' || expected === 'first value') return byte !== comma || fail()
    else fail()
    return false
  }

  function fail(): never {
    throw malformedBody(
      `the body is no JSON array: message ${count} is not followed by a comma or ]`,
    )
  }

  function counted(message: Uint8Array): Uint8Array {
    count += 1
    if (isArray) expected = 'separator'
    return message
  }

  return {
    *push(chunk) {
      let from = value.isOpen() ? 0 : -1
      for (let at = 0; at < chunk.length; at += 1) {
        const byte = chunk[at] ?? 0
        if (from === -1) {
          if (!between(byte)) continue
          from = at
        }
        const end = value.take(byte)
        if (end === 'inside') continue
        yield counted(rest.take(chunk.subarray(from, end === 'with it' ? at + 1 : at)))
        from = -1
        // A number ends with the byte after it.
        if (end === 'before it') at -= 1
      }
      if (from !== -1) rest.add(chunk.subarray(from))
    },
    *end() {
      if (rest.size() > 0 && !isArray && value.endsWithBody())
        yield counted(rest.take(new Uint8Array()))
      else if (rest.size() > 0 || (isArray && expected !== 'nothing'))
        throw malformedBody('the body ends before its last message does')
    },
    place: () => `message ${count}`,
  }
}

/** Finds the end of one JSON value after the other. */
function valueScanner() {
  let isOpen = false
  let isText = false
  let isEscaped = false
  let isBare = false
  let depth = 0

  function takeInText(byte: number): void {
    if (isEscaped) isEscaped = false
    else if (byte === backslash) isEscaped = true
    else if (byte === quote) isText = false
  }

  return {
    /** Takes the next byte: the value goes on, or it ends with it, or it has ended before it. */
    take(byte: number): 'inside' | 'with it' | 'before it' {
      if (isBare) {
        if (!isSpace(byte) && byte !== comma && byte !== closeBracket) return 'inside'
        isOpen = isBare = false
        return 'before it'
      }
      isBare = !isOpen && byte !== quote && !isOpening(byte)
      isOpen = true
      if (isBare) return 'inside'
      if (isText) takeInText(byte)
      else if (byte === quote) isText = true
      else if (isOpening(byte)) depth += 1
      else if (isClosing(byte)) depth -= 1
      if (isText || depth > 0) return 'inside'
      isOpen = false
      return 'with it'
    },
    /** Whether the value is open. */
    isOpen: () => isOpen,
    /** Whether the end of the body ends the value. */
    endsWithBody: () => isBare,
  }
}
