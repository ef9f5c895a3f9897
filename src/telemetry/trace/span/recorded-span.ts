import type { Attributes, Context, Span } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { newSpanId, newTraceId, type SpanId, type TraceId } from './ids.ts'
import type { SpanHead, SpanPart } from './span-part.ts'

/** The values that the spans of one request share. */
export interface SpanTrace {
  /**
   * Added to `performance.now()`, gives the time of all spans of this request in ms of the epoch; set
   * when the first of them begins.
   */
  epochMs: number
  /** Undefined until they are needed: a request that is not recorded needs them for its log line only. */
  traceId: TraceId | undefined
  /** Of the server span. */
  spanId: SpanId | undefined
  /** The caller's context: its span as parent, its baggage. Undefined until it is read. */
  base: Context | undefined
  /** The caller's `tracestate`, as OTLP's `Span` has it. */
  state: Uint8Array | undefined
  /** Where the spans wait for the end of the request; undefined where they do not. */
  held: Held | undefined
}

/** A recorded span of a request: data only, from which its bytes for OTLP are made when it ends. */
export interface RecordedSpan {
  readonly trace: SpanTrace
  readonly id: SpanId
  /** Undefined at the root of a trace. */
  readonly parent: SpanId | undefined
  head: SpanHead
  /** In ms of the epoch, as is `endMs`. */
  readonly startMs: number
  endMs: number
  ended: boolean
  /** Constant attributes of the connection, and of the outcome. */
  connection: SpanPart | undefined
  outcome: SpanPart | undefined
  /** Attributes that are not constant; they have no key of the constant ones. */
  facts: Attributes | undefined
  /** Spans of other requests that it is for, too. */
  links: readonly RecordedSpan[] | undefined
  /** Spans of statements below it that have not ended; the list is made with the first one. */
  statements: RecordedSpan[] | undefined
  /** The same span in OpenTelemetry's SDK; undefined until something needs what only that has. */
  sdk: Span | undefined
}

/** A span that has ended: recorded here, or one of OpenTelemetry's SDK. */
export type Ended = RecordedSpan | ReadableSpan

/** The spans of one request that was not chosen, until its end decides. */
export interface Held {
  add(span: Ended): void
  /** Passes the spans on, whole and in the order of their ends, or forgets them. */
  settle(keep: boolean): void
  isSettled(): boolean
}

/** Ends recorded spans, and makes those of OpenTelemetry's SDK where they are needed. */
export interface Recorder {
  /** `endMs` of the epoch. A span that has ended already stays as it is. */
  endSpan: (span: RecordedSpan, endMs: number) => void
  /** The span in OpenTelemetry's SDK, which has its events, links and status, and is what its API sees. */
  sdkSpan: (span: RecordedSpan) => Span
}

/** Begins a span below `parent`, at a time in ms of the epoch. */
export function beginSpan(
  trace: SpanTrace,
  head: SpanHead,
  startMs: number,
  parent: SpanId | undefined,
): RecordedSpan {
  trace.traceId ??= newTraceId()
  return {
    trace,
    id: newSpanId(),
    parent,
    head,
    startMs,
    endMs: startMs,
    ended: false,
    connection: undefined,
    outcome: undefined,
    facts: undefined,
    links: undefined,
    statements: undefined,
    sdk: undefined,
  }
}

/** Adds attributes to a span; they replace earlier ones of the same key. */
export function addFacts(span: RecordedSpan, facts: Attributes): void {
  span.facts = span.facts ? { ...span.facts, ...facts } : facts
}

/** All attributes of a span. */
export function attributesOf({ head, connection, outcome, facts }: RecordedSpan): Attributes {
  return { ...head.attributes, ...connection?.attributes, ...outcome?.attributes, ...facts }
}

/** Whether more can become part of a span. */
export function isOpen({ sdk, ended }: RecordedSpan): boolean {
  return sdk ? sdk.isRecording() : !ended
}

/** `at`, a time of `performance.now()`, as the time for a span of this request, in ms of the epoch. */
export function timeIn({ epochMs }: SpanTrace, at = performance.now()): number {
  return epochMs + at
}

/** Removes a span from a list of open ones; false if it is not one of them. */
export function takeOut(open: RecordedSpan[], span: RecordedSpan): boolean {
  const at = open.indexOf(span)
  if (at >= 0) open.splice(at, 1)
  return at >= 0
}
