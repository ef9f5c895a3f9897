import { deepEqual } from 'node:assert/strict'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { type Attributes, SpanKind, trace as api } from '@opentelemetry/api'
import { TraceFlags, createTraceState, ROOT_CONTEXT } from '@opentelemetry/api'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { emptyResource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import fc from 'fast-check'
import { test } from 'tap'
import { sdkSpans } from '../../../../src/telemetry/trace/sdk/sdk-spans.ts'
import { newSpanId, spanIdOf, traceIdOf } from '../../../../src/telemetry/trace/span/ids.ts'
import {
  beginSpan,
  type RecordedSpan,
  type SpanTrace,
} from '../../../../src/telemetry/trace/span/recorded-span.ts'
import { spanBytes } from '../../../../src/telemetry/trace/span/span-bytes.ts'
import { spanHead, spanPart, stateBytes } from '../../../../src/telemetry/trace/span/span-part.ts'

const spansField = 2
const linksField = 13
const digits = (count: number) =>
  fc.stringMatching(new RegExp(`^[0-9a-f]{${count}}$`)).filter((id) => /[^0]/.test(id))
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.boolean(),
  fc.maxSafeNat(),
  fc.constant(undefined),
)
const attributes = fc.dictionary(fc.string({ minLength: 1, maxLength: 200 }), value, { maxKeys: 8 })
const prefixed = (prefix: string, given: Attributes): Attributes =>
  Object.fromEntries(Object.entries(given).map(([name, each]) => [prefix + name, each]))

const anySpan = fc.record({
  trace: digits(32),
  caller: fc.option(digits(16), { nil: undefined }),
  state: fc.constantFrom('', 'vendor=1', 'a=1,b=2'),
  child: fc.boolean(),
  kind: fc.constantFrom(SpanKind.SERVER, SpanKind.CLIENT, SpanKind.INTERNAL),
  name: fc.string({ maxLength: 150 }),
  startMs: fc.double({ min: 1.6e12, max: 4e12, noNaN: true }),
  tookMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  constant: attributes,
  connection: attributes,
  facts: attributes,
  links: fc.array(fc.tuple(digits(32), digits(16)), { maxLength: 5 }),
})
type AnySpan = typeof anySpan extends fc.Arbitrary<infer T> ? T : never

/** A recorded span as server-span.ts and layer-spans.ts make it. */
function recorded({ trace: traceId, caller, state, child, ...given }: AnySpan): RecordedSpan {
  const traceState = createTraceState(state)
  const remote = { traceId, spanId: caller ?? '', traceFlags: TraceFlags.SAMPLED, isRemote: true }
  const trace: SpanTrace = {
    epochMs: 0,
    traceId: traceIdOf(traceId),
    spanId: newSpanId(),
    base: caller
      ? api.setSpanContext(ROOT_CONTEXT, { ...remote, ...(state && { traceState }) })
      : ROOT_CONTEXT,
    state: caller && state ? stateBytes(state) : undefined,
    held: undefined,
  }
  const head = spanHead(given.name, given.kind, prefixed('head.', given.constant))
  const above = caller ? spanIdOf(caller) : undefined
  const root = beginSpan(trace, head, given.startMs, above)
  trace.spanId = root.id
  const span = child ? beginSpan(trace, head, given.startMs, root.id) : root
  span.endMs = given.startMs + given.tookMs
  span.connection = spanPart(prefixed('connection.', given.connection))
  span.facts = prefixed('fact.', given.facts)
  span.links = given.links.map(([traceId, id]) => linked(span, traceId, id))
  return span
}

function linked(span: RecordedSpan, traceId: string, id: string): RecordedSpan {
  return { ...span, trace: { ...span.trace, traceId: traceIdOf(traceId) }, id: spanIdOf(id) }
}

function viaSdk(span: RecordedSpan): Uint8Array {
  const ended: ReadableSpan[] = []
  const processor = {
    onStart: () => undefined,
    onEnd: (each: ReadableSpan) => void ended.push(each),
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  }
  const identity = { service: 'test', version: '1' }
  sdkSpans({ identity, resource: emptyResource(), limits: {}, processor }).end(span)
  const request = ProtobufTraceSerializer.serializeRequest(ended) ?? new Uint8Array()
  const [scopeSpans = new Uint8Array()] = field(field(request, 1)[0], spansField)
  return field(scopeSpans, spansField)[0] ?? new Uint8Array()
}

function field(message: Uint8Array | undefined, no: number): Uint8Array[] {
  return fieldsOf(message)
    .filter(([its]) => its === no)
    .map(([, bytes]) => bytes)
}

/** The fields of a message in order, each with the bytes that it has. */
function fieldsOf(message: Uint8Array = new Uint8Array()): [no: number, bytes: Uint8Array][] {
  const reader = new BinaryReader(message)
  const fields: [number, Uint8Array][] = []
  while (reader.pos < reader.len) {
    const [no, type] = reader.tag()
    const before = reader.pos
    reader.skip(type, no)
    const bytes = message.subarray(before, reader.pos)
    // Without their length, which may be written in more bytes than it needs.
    fields.push([
      no,
      type === WireType.LengthDelimited
        ? new BinaryReader(message.subarray(before)).bytes()
        : bytes,
    ])
  }
  return fields
}

/** A link without its number of dropped attributes. */
function withoutDropped(link: Uint8Array): Uint8Array {
  return Buffer.concat(fieldsOf(link).flatMap(([no, bytes]) => (no === 5 ? [] : [bytes])))
}

/** Fields by number and bytes; those that have the default of proto3 may be there or not. */
function comparable(span: Uint8Array | undefined): string[] {
  const status = Buffer.from([0x18, 0])
  return fieldsOf(span)
    .filter(([no, bytes]) => !([10, 12, 14].includes(no) && bytes[0] === 0))
    .filter(([no, bytes]) => !(no === 15 && status.equals(bytes)))
    .filter(([no, bytes]) => !(no === 5 && bytes.length === 0))
    .map(([no, bytes]) => [no, no === linksField ? withoutDropped(bytes) : bytes] as const)
    .map(([no, bytes]) => `${no} ${Buffer.from(bytes).toString('hex')}`)
    .toSorted()
}

test('a span is written as OpenTelemetry writes it, field by field', async () => {
  const writer = spanBytes()
  fc.assert(
    fc.property(anySpan, (given) => {
      const span = recorded(given)
      if (!writer.write(span)) throw new Error('it was not written')
      const [own] = field(writer.take(), spansField)
      deepEqual(comparable(own), comparable(viaSdk(span)))
    }),
    { numRuns: 500 },
  )
})

test('a span with more links than the SDK keeps is left to the SDK, which counts those', async (t) => {
  const writer = spanBytes()
  const [given] = fc.sample(anySpan, { numRuns: 1, seed: 1 })
  if (!given) throw new Error('there is no sample')
  const span = recorded(given)
  const many = (count: number) => ({ ...span, links: Array.from({ length: count }, () => span) })
  t.ok(writer.write(many(128)))
  t.notOk(writer.write(many(129)))
  const [own] = field(writer.take(), spansField)
  t.equal(field(own, linksField).length, 128)
})

test('many spans are one after the other, and what cannot be written leaves no trace', async (t) => {
  const writer = spanBytes()
  const [given] = fc.sample(anySpan, { numRuns: 1, seed: 1 })
  if (!given) throw new Error('there is no sample')
  const span = (facts: Attributes) => ({ ...recorded(given), facts })
  const odd = [-1, 0.5, 2 ** 60, ['a'], { a: 1 }, new Uint8Array(2), null, 'x'.repeat(20_000)]
  for (let count = 0; count < 2000; count += 1) {
    t.ok(writer.write(span({ text: 'x'.repeat(count) })))
    t.notOk(writer.write(span({ first: 'a', second: odd[count % odd.length] })))
  }
  const written = field(writer.take(), spansField)
  t.equal(written.length, 2000)
  const lengths = written.map((bytes) => bytes.length)
  t.same(
    lengths,
    lengths.toSorted((a, b) => a - b),
  )
  t.equal(writer.take().length, 0, 'they are taken once')
})
