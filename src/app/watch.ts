import type { Interceptor } from '@connectrpc/connect'
import type { Logger } from 'pino'
import { observedBy } from '../data/statement-observer.ts'
import { accessLog } from '../server/exchange/access-log.ts'
import type { ExchangeObserver } from '../server/exchange/exchange.ts'
import { linesDropped } from '../telemetry/log/log.ts'
import type { Metrics } from '../telemetry/metric/metrics.ts'
import type { ServiceState } from '../telemetry/metric/state.ts'
import type { Tracing } from '../telemetry/trace/tracing.ts'

export interface Watching {
  log: Logger
  /** Undefined: nothing is traced. */
  tracing?: Tracing | undefined
  /** Undefined: nothing is measured. */
  metrics?: Metrics | undefined
}

export type Watch = ReturnType<typeof watchers>

const untraced: Tracing['traced'] = (_layer, object) => object

/** Log, traces and metrics as the other parts see them, whether or not there are traces and metrics. */
export function watchers({ log, tracing, metrics }: Watching) {
  return {
    log,
    traced: tracing?.traced ?? untraced,
    statements: observedBy(metrics?.statements, tracing?.statements),
    /** The outermost interceptors. */
    interceptors: (tracing ? [tracing.interceptor] : []) satisfies Interceptor[],
    /** Observers of exchanges; the log comes last, so that a line is written when all else is known. */
    observers(reasons: readonly object[], others: readonly ExchangeObserver[]): ExchangeObserver[] {
      return [
        ...(tracing ? [tracing.observer] : []),
        ...(metrics ? [metrics.exchanges(reasons)] : []),
        ...others,
        accessLog(log, tracing?.fieldsOf),
      ]
    },
    /** Lets the metrics read the state of the other parts. */
    state(parts: Omit<ServiceState, 'linesDropped' | 'spans'>): void {
      metrics?.watch({ ...parts, linesDropped: linesDropped(log), spans: () => tracing?.counts() })
    },
    /** Sends what has not been sent yet, for at most so long. */
    async stop(timeoutMs: number): Promise<void> {
      await Promise.all([tracing?.stop(timeoutMs), metrics?.stop(timeoutMs)])
    },
  }
}
