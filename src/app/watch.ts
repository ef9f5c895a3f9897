import type { Interceptor } from '@connectrpc/connect'
import type { Logger } from 'pino'
import { observedRedis } from '../data/redis/observer.ts'
import type { Conf } from '../conf/conf.ts'
import { observedBy } from '../data/statement-observer.ts'
import { accessLog } from '../server/exchange/access-log.ts'
import type { ExchangeObserver } from '../server/exchange/exchange.ts'
import { linesDropped } from '../telemetry/log/log.ts'
import type { Metrics } from '../telemetry/metric/metrics.ts'
import type { ServiceState } from '../telemetry/metric/state.ts'
import type { Tracing } from '../telemetry/trace/tracing.ts'

/** The telemetry of the process. */
export interface Watching {
  log: Logger
  /** Undefined: nothing is traced. */
  tracing?: Tracing | undefined
  /** Undefined: nothing is measured. */
  metrics?: Metrics | undefined
}

/** The telemetry that the other parts use, as watchers makes it. */
export type Watch = ReturnType<typeof watchers>

const untraced: Tracing['traced'] = (_layer, object) => object
const withoutSpan: Tracing['root'] = (_span, run) => run()
const unjudged: Metrics['quotaCalls'] = () => undefined

/**
 * Combines log, traces and metrics for the other parts, which need not know whether each is
 * enabled.
 */
export function watchers({ log, tracing, metrics }: Watching) {
  return {
    log,
    traced: tracing?.traced ?? untraced,
    rootSpan: tracing?.root ?? withoutSpan,
    /** Applies the settings of log and traces that can change. */
    apply({ log: { level }, tracing: settings }: Conf): void {
      log.level = level
      tracing?.sample(settings)
    },
    statements: observedBy(metrics?.statements, tracing?.statements),
    /** The observers of calls to other services. */
    calls: { tracing: tracing?.calls, metrics: metrics?.calls },
    /** The observers of exchanges with Redis, and of reads of the cache of one kind of records. */
    redis: observedRedis(metrics?.redis, tracing?.redis),
    cacheReads: (kind: string) => metrics?.cacheReads(kind) ?? (() => undefined),
    /** Told of each call that a quota, or shedding, has judged. */
    quotaCalls: metrics?.quotaCalls ?? unjudged,
    shedCalls: metrics?.shedCalls ?? unjudged,
    /** The outermost interceptors. */
    interceptors: (tracing ? [tracing.interceptor] : []) satisfies Interceptor[],
    /** The outermost interceptors of calls from this process. */
    localInterceptors: (tracing ? [tracing.local] : []) satisfies Interceptor[],
    /**
     * The observers of exchanges. The log is the last, so that the others have run before it writes
     * a line.
     */
    observers(reasons: readonly object[], others: readonly ExchangeObserver[]): ExchangeObserver[] {
      return [
        ...(tracing ? [tracing.observer] : []),
        ...(metrics ? [metrics.exchanges(reasons)] : []),
        ...others,
        accessLog(log, tracing?.fieldsOf),
      ]
    },
    /** Gives the metrics access to the state of the other parts. */
    state(parts: Omit<ServiceState, 'linesDropped' | 'spans'>): void {
      metrics?.watch({ ...parts, linesDropped: linesDropped(log), spans: () => tracing?.counts() })
    },
    /** Sends the remaining telemetry, for up to `timeoutMs`. */
    async stop(timeoutMs: number): Promise<void> {
      await Promise.all([tracing?.stop(timeoutMs), metrics?.stop(timeoutMs)])
    },
  }
}
