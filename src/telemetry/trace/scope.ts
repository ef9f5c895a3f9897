import { AsyncLocalStorage } from 'node:async_hooks'
import type { Context } from '@opentelemetry/api'
import type { Exchange, Request } from '../../server/exchange/exchange.ts'
import { newSpanId, newTraceId } from './span/ids.ts'
import type { RecordedSpan, SpanTrace } from './span/recorded-span.ts'
import type { SpanPart } from './span/span-part.ts'

/** The other end of a connection. */
export interface Peer {
  readonly address: string | undefined
  readonly port: number | undefined
  readonly encrypted: boolean
  /** The attributes that its requests share, for the host that the last of them named. */
  said: { authority: unknown; part: SpanPart } | undefined
}

/** The trace of one exchange; without a span if it is not recorded. */
export interface RequestTrace extends SpanTrace {
  readonly exchange: Exchange
  /** Undefined for a connection that was refused before there was a request. */
  readonly request: Request | undefined
  /** The client; read at once, since HTTP/2 forgets it when the stream has ended. */
  readonly peer: Peer | undefined
  decided: boolean
  /** The server span. */
  span: RecordedSpan | undefined
  /** Whether an error has been recorded on a span below the server's. */
  failedBelow: boolean
}

/** Where in the tree of a request's spans the running code is. */
export interface Scope {
  readonly trace: RequestTrace | undefined
  /** Parent of the next span; undefined where nothing is recorded. */
  readonly span: RecordedSpan | undefined
  /** OpenTelemetry's context with `span`, made when it is first asked for. */
  context: Context | undefined
  /** Whether an error has been recorded on a span below. */
  failedBelow: boolean
}

/** Carries the current scope through asynchronous calls. */
export type Scopes = AsyncLocalStorage<Scope>

/** Makes the one store of scopes. */
export const requestScopes = (): Scopes => new AsyncLocalStorage<Scope>()

/** A scope below `span`, which is undefined where nothing is recorded. */
export function scopeOf(trace: RequestTrace | undefined, span: RecordedSpan | undefined): Scope {
  return { trace, span, context: undefined, failedBelow: false }
}

/** The fields that tell a log line its trace, empty outside of a request. */
export interface LogFields {
  trace_id?: string
  span_id?: string
}

/** The fields for a line that is written where `scope` is the current one; pino adds to the object. */
export function logFields(scope: Scope | undefined): LogFields {
  if (!scope?.trace) return {}
  const fields = traceFields(scope.trace)
  if (scope.span) fields.span_id = scope.span.id.hex
  return fields
}

/** The fields for a line about a whole exchange. */
export function traceFields(trace: RequestTrace): Required<LogFields> {
  trace.traceId ??= newTraceId()
  trace.spanId ??= newSpanId()
  return { trace_id: trace.traceId.hex, span_id: trace.spanId.hex }
}
