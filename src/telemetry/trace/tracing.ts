import type { Interceptor } from '@connectrpc/connect'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'
import type { Env } from '../../conf/placeholder.ts'
import type { ObserveStatements } from '../../data/statement-observer.ts'
import type { Exchange, ExchangeObserver } from '../../server/exchange/exchange.ts'
import type { Identity } from '../resource.ts'
import type { LogFields } from './scope.ts'
import type { TracingSettings } from './settings.ts'

/** What a span says of a call, from its arguments and from what it gives. */
export type Describe<T> = {
  [K in keyof T]?: T[K] extends (...args: infer A) => infer R
    ? { call?: (...args: A) => SpanFacts; result?: (value: Awaited<R>) => SpanFacts }
    : never
}

export type SpanFacts = Record<string, string | number | boolean>

/** Numbers for metrics; each only grows but `waiting`. */
export interface SpanCounts {
  exported: number
  /** Spans that nobody will see, by why: the queue was full, the export failed, too many were held. */
  dropped: { queue: number; export: number; keep: number }
  /** Spans that wait for export or for the end of their request. */
  waiting: number
  /** Lines that went to the collector as well, and those that did not arrive there. */
  logs: { exported: number; dropped: number }
}

/**
 * All that the service knows of tracing. What stands behind it can be replaced: app.ts and the layers
 * see no more of it than this.
 */
export interface Tracing {
  /** Makes the server span of every exchange; to be told of an exchange before other observers. */
  observer: ExchangeObserver
  /** Makes the server span the parent of what the call does; the outermost interceptor. */
  interceptor: Interceptor
  /** Makes a span of each call of the object's methods: `layer.Method`. */
  traced: <T extends object>(layer: string, object: T, describe?: Describe<T>) => T
  /** Makes spans of statements and of waits for a connection. */
  statements: ObserveStatements
  /** The fields that tell the log line of an exchange its trace. */
  fieldsOf: (exchange: Exchange) => LogFields
  /** Headers that carry the trace, the baggage and `x-md-*` to another service. */
  outgoing: () => Record<string, string>
  counts: () => SpanCounts
  /** Exports what waits, for at most so long, and ends. */
  stop: (timeoutMs: number) => Promise<void>
}

/** What tracing is started with. */
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
