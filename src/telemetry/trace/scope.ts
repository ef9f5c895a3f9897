import { AsyncLocalStorage } from 'node:async_hooks'
import type { Context, Span } from '@opentelemetry/api'
import type { Exchange, Request } from '../../server/exchange/exchange.ts'
import type { Held } from './tail-sampling.ts'
import { newSpanId, newTraceId } from './ids.ts'

/** The other end of the connection. */
export interface Peer {
  address: string | undefined
  port: number | undefined
  encrypted: boolean
}

/** What is known of the trace of one exchange; without a span where it is not recorded. */
export interface RequestTrace {
  readonly exchange: Exchange
  /** Undefined for a connection that was refused before there was a request. */
  readonly request: Request | undefined
  /** The client; read at once, since HTTP/2 forgets it when the stream has ended. */
  readonly peer: Peer | undefined
  /** Added to `performance.now()`, gives the time of all spans of this request in ms of the epoch. */
  readonly epochMs: number
  /** Empty until they are needed: most requests that are not recorded never need them. */
  traceId: string
  spanId: string
  /** What the caller sent: its span as parent, its baggage. Undefined until it is read. */
  base: Context | undefined
  decided: boolean
  /** The server span. */
  span: Span | undefined
  held: Held | undefined
  /** Whether an error has been recorded on a span below the server's. */
  failedBelow: boolean
}

/** Where in the tree of a request's spans the running code is. */
export interface Scope {
  readonly trace: RequestTrace | undefined
  /** Parent of the next span; undefined where nothing is recorded. */
  readonly span: Span | undefined
  /** OpenTelemetry's context with `span`, made when it is first asked for. */
  context: Context | undefined
  /** Whether an error has been recorded on a span below. */
  failedBelow: boolean
  /** Spans of statements that have not ended; the set is made with the first one. */
  statements: Set<Span> | undefined
}

/** Carries the current scope through asynchronous calls. */
export type Scopes = AsyncLocalStorage<Scope>

/** Makes the one store of scopes. */
export const requestScopes = (): Scopes => new AsyncLocalStorage<Scope>()

/** A scope below `span`, which is undefined where nothing is recorded. */
export function scopeOf(trace: RequestTrace | undefined, span: Span | undefined): Scope {
  return { trace, span, context: undefined, failedBelow: false, statements: undefined }
}

/** The fields that tell a log line its trace, empty outside of a request. */
export interface LogFields {
  trace_id?: string
  span_id?: string
}

/** The fields for a line that is written where `scope` is the current one; pino adds to the object. */
export function logFields(scope: Scope | undefined): LogFields {
  if (scope?.span) {
    const { traceId, spanId } = scope.span.spanContext()
    return { trace_id: traceId, span_id: spanId }
  }
  return scope?.trace ? traceFields(scope.trace) : {}
}

/** The fields for a line about a whole exchange. */
export function traceFields(trace: RequestTrace): LogFields {
  if (trace.traceId === '') trace.traceId = newTraceId()
  if (trace.spanId === '') trace.spanId = newSpanId()
  return { trace_id: trace.traceId, span_id: trace.spanId }
}
