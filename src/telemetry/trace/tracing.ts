import type { SpanContext } from '@opentelemetry/api'
import type { Interceptor } from '@connectrpc/connect'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'
import type { CallTracing } from '../../client/observer.ts'
import type { Conf } from '../../conf/conf.ts'
import type { Env } from '../../conf/placeholder.ts'
import type { ObserveRedis } from '../../data/redis/observer.ts'
import type { ObserveStatements } from '../../data/statement-observer.ts'
import type { Exchange, ExchangeObserver } from '../../server/exchange/exchange.ts'
import type { Identity } from '../resource.ts'
import type { LogFields } from './scope.ts'
import type { TracingSettings } from './settings.ts'

/** For each method of T, what its span says: attributes from its arguments and from its result. */
export type Describe<T> = {
  [K in keyof T]?: T[K] extends (...args: infer A) => infer R
    ? { call?: (...args: A) => SpanFacts; result?: (value: Awaited<R>) => SpanFacts }
    : never
}

/** Attributes of a span, by name. */
export type SpanFacts = Record<string, string | number | boolean>

/** Counts for metrics; all but `waiting` only grow. */
export interface SpanCounts {
  exported: number
  /** Spans that are lost, by cause: the queue was full, the export failed, too many were held. */
  dropped: { queue: number; export: number; keep: number }
  /** Spans that wait for export or for the end of their request. */
  waiting: number
  /** Log lines that the collector has taken, and those that were lost on the way. */
  logs: { exported: number; dropped: number }
}

/** Work that belongs to no request, such as connecting to a registry. */
export interface RootSpan {
  name: string
  facts: SpanFacts
  /** Name of the event that says that it has succeeded. */
  event: string
  /** Whether it goes on in this process; a call to another one if left out. */
  internal?: boolean
  /** The span of other work that it follows from. */
  link?: SpanRef | undefined
}

/** A span that others can link to. */
export type SpanRef = SpanContext

/** Tracing as app.ts sees it; OpenTelemetry stays behind it. */
export interface Tracing {
  /** Makes the server span of every exchange; the first of the observers. */
  observer: ExchangeObserver
  /** Makes the server span the parent of what the call does; the outermost interceptor. */
  interceptor: Interceptor
  /** Makes the server span of a call from this process; the outermost interceptor of such calls. */
  local: Interceptor
  /** Makes a span of each call of the object's methods: `layer.Method`. */
  traced: <T extends object>(layer: string, object: T, describe?: Describe<T>) => T
  /** Makes the span of such work, at the root of a trace of its own, if the sampling chooses its name. */
  root: <T>(span: RootSpan, run: (ref?: SpanRef) => Promise<T>) => Promise<T>
  /** Makes spans of statements and of waits for a connection. */
  statements: ObserveStatements
  /** Makes spans of exchanges with Redis. */
  redis: ObserveRedis
  /** The fields that tell the log line of an exchange its trace. */
  fieldsOf: (exchange: Exchange) => LogFields
  /** Makes the client span of each try of a call to another service. */
  calls: CallTracing
  /** Headers that carry the trace, the baggage and `x-md-*` to another service. */
  outgoing: () => Record<string, string>
  counts: () => SpanCounts
  /** Chooses requests by these settings of `sampling` from here on; the OTEL_* variables take precedence. */
  sample: (conf: Conf['tracing']) => void
  /** Exports the spans that wait, for at most so long, and ends. */
  stop: (timeoutMs: number) => Promise<void>
}

/** Options for the start of tracing. */
export interface StartOptions {
  settings: TracingSettings
  identity: Pick<Identity, 'service' | 'version'>
  env: Env
  /** Gets what an operator should know, such as exports that fail. */
  log: Logger
  /** Instead of the one that the settings name; for tests. */
  exporter?: SpanExporter
}

/** Tracing, and what the log needs of it. */
export type RunningTracing = Tracing & {
  /** The fields of a line that is written in the middle of a request. */
  logFields: () => LogFields
  /** Takes each line of the log; undefined where lines do not go to the collector. */
  logLine?: (line: string) => void
}
