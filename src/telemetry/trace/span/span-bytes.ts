import type { Attributes } from '@opentelemetry/api'
import type { SpanId, TraceId } from './ids.ts'
import type { RecordedSpan } from './recorded-span.ts'
import { keyBytes } from './span-part.ts'

// Tags of opentelemetry/proto/trace/v1/trace.proto and …/common/v1/common.proto: the number of a field
// and how it is written.
const span = { tag: 0x12, traceId: 0x0a, id: 0x12, parent: 0x22, start: 0x39, end: 0x41 } as const
const attribute = { tag: 0x4a, value: 0x12, text: 0x0a, bool: 0x10, int: 0x18 } as const
const link = { tag: 0x6a, id: 0x12, flags: 0x35, length: 33 } as const
/** More would have to be counted as dropped, as the SDK does (OTEL_SPAN_LINK_COUNT_LIMIT). */
const maxLinks = 128
/** Field 16: sampled, with the bit that tells whether the parent is remote, and that bit. */
const flags = { tag: [0x85, 0x01], known: 0x101, remote: 0x200 } as const

const initialBytes = 1 << 16
/** The length of a span has two bytes. */
const maxLength = (1 << 14) - 1
/** Room for what has no length of its own: ids, times and flags of a span, tags and lengths of an attribute. */
const fixedBytes = 96

/** Bytes that grow. */
interface Output {
  bytes: Buffer
  view: DataView
  at: number
}

/** Spans as the field `spans` of OTLP's `ScopeSpans`, one after the other. */
export function spanBytes() {
  const out = output(initialBytes)
  return {
    /**
     * Writes a span that has ended. Gives false, and writes nothing, for one that has values of other
     * types than are usual, or is too long.
     */
    write(written: RecordedSpan): boolean {
      const begun = out.at
      if (writeSpan(out, written)) return true
      out.at = begun
      return false
    },
    /** Takes out what has been written. */
    take(): Uint8Array {
      const taken = out.bytes.subarray(0, out.at)
      // The next batch will be about as long.
      Object.assign(out, output(Math.max(initialBytes, Math.ceil(out.at * 1.25))))
      return taken
    },
  }
}

function output(size: number): Output {
  const bytes = Buffer.allocUnsafe(size)
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, size), at: 0 }
}

function reserve(out: Output, more: number): void {
  if (out.at + more <= out.bytes.length) return
  const { bytes, at } = out
  Object.assign(out, output(2 * bytes.length + more), { at })
  bytes.copy(out.bytes, 0, 0, at)
}

function writeSpan(out: Output, ended: RecordedSpan): boolean {
  const { trace, id, parent, startMs, endMs, head, connection, outcome, facts, links } = ended
  if (trace.traceId === undefined) return false
  reserve(out, fixedBytes)
  byte(out, span.tag)
  const begun = out.at + 2
  out.at = begun
  writeTraceId(out, trace.traceId)
  writeId(out, span.id, id)
  if (parent) writeId(out, span.parent, parent)
  writeTime(out, span.start, startMs)
  writeTime(out, span.end, endMs)
  for (const each of flags.tag) byte(out, each)
  const remote = parent !== undefined && trace.spanId === id
  word(out, remote ? flags.known | flags.remote : flags.known)
  put(out, head.bytes)
  if (trace.state) put(out, trace.state)
  if (connection) put(out, connection.bytes)
  if (outcome) put(out, outcome.bytes)
  if (facts && !writeFacts(out, facts)) return false
  if (links && !writeLinks(out, links)) return false
  const length = out.at - begun
  if (length > maxLength) return false
  out.bytes[begun - 2] = (length & 0x7f) | 0x80
  out.bytes[begun - 1] = length >> 7
  return true
}

function byte(out: Output, value: number): void {
  out.bytes[out.at] = value
  out.at += 1
}

function word(out: Output, value: number): void {
  out.view.setInt32(out.at, value, true)
  out.at += 4
}

function put(out: Output, part: Uint8Array): void {
  reserve(out, part.length + fixedBytes)
  out.bytes.set(part, out.at)
  out.at += part.length
}

function writeTraceId(out: Output, { first, second, third, fourth }: TraceId): void {
  byte(out, span.traceId)
  byte(out, 16)
  word(out, first)
  word(out, second)
  word(out, third)
  word(out, fourth)
}

function writeId(out: Output, tag: number, { first, second }: SpanId): void {
  byte(out, tag)
  byte(out, 8)
  word(out, first)
  word(out, second)
}

const twoTo11 = 0x800
const twoTo21 = 0x200000
const twoTo32 = 0x100000000

/**
 * Milliseconds as nanoseconds in 64 bits. A double has no room for these, so they are counted in parts:
 * multiples of 2^21 ms, which are multiples of 2^21 ns, and the remainder.
 */
function writeTime(out: Output, tag: number, ms: number): void {
  const whole = Math.floor(ms)
  const parts = Math.floor(whole / twoTo21)
  const remainder = (whole - parts * twoTo21) * 1e6 + Math.round((ms - whole) * 1e6)
  const high = Math.floor((parts * 1e6) / twoTo11)
  const low = remainder + (parts * 1e6 - high * twoTo11) * twoTo21
  const carry = Math.floor(low / twoTo32)
  byte(out, tag)
  word(out, low - carry * twoTo32)
  word(out, high + carry)
}

const keys = new Map<string, Uint8Array>()
const maxKeys = 1000

/** The bytes of a key. There are few: those of this service's own attributes. */
function keyOf(name: string): Uint8Array {
  const known = keys.get(name)
  if (known) return known
  const made = keyBytes(name)
  if (keys.size < maxKeys) keys.set(name, made)
  return made
}

function writeFacts(out: Output, facts: Attributes): boolean {
  for (const name in facts) {
    const value = facts[name]
    const whole = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    if (typeof value === 'string') writeText(out, keyOf(name), value)
    else if (typeof value === 'boolean') writeSmall(out, keyOf(name), attribute.bool, Number(value))
    else if (whole) writeSmall(out, keyOf(name), attribute.int, value)
    else if (value !== undefined) return false
  }
  return true
}

function writeText(out: Output, key: Uint8Array, value: string): void {
  const size = Buffer.byteLength(value)
  writeKey(out, key, 1 + varintSize(size) + size)
  byte(out, attribute.text)
  varint(out, size)
  out.at += out.bytes.write(value, out.at)
}

function writeSmall(out: Output, key: Uint8Array, tag: number, value: number): void {
  writeKey(out, key, 1 + varintSize(value))
  byte(out, tag)
  varint(out, value)
}

/** Begins an attribute whose value takes so many bytes. */
function writeKey(out: Output, key: Uint8Array, size: number): void {
  reserve(out, key.length + size + fixedBytes)
  byte(out, attribute.tag)
  varint(out, key.length + 1 + varintSize(size) + size)
  put(out, key)
  byte(out, attribute.value)
  varint(out, size)
}

function writeLinks(out: Output, links: readonly RecordedSpan[]): boolean {
  if (links.length > maxLinks) return false
  reserve(out, links.length * (link.length + 2) + fixedBytes)
  for (const { trace, id } of links) {
    if (trace.traceId === undefined) return false
    byte(out, link.tag)
    byte(out, link.length)
    writeTraceId(out, trace.traceId)
    writeId(out, link.id, id)
    byte(out, link.flags)
    word(out, flags.known)
  }
  return true
}

function varint(out: Output, value: number): void {
  let left = value
  while (left > 0x7f) {
    byte(out, (left % 0x80) | 0x80)
    left = Math.floor(left / 0x80)
  }
  byte(out, left)
}

function varintSize(value: number): number {
  let size = 1
  for (let left = value; left > 0x7f; left = Math.floor(left / 0x80)) size += 1
  return size
}
