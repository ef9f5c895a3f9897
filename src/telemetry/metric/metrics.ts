import type { AddressInfo } from 'node:net'
import type { CallMetrics } from '../../client/observer.ts'
import type { ObserveRedis } from '../../data/redis/observer.ts'
import type { ObserveStatements } from '../../data/statement-observer.ts'
import type { ExchangeObserver } from '../../server/exchange/exchange.ts'
import type { Judged } from './limit/load-metrics.ts'
import type { CacheReads } from './redis/redis-metrics.ts'
import type { ServiceState } from './state.ts'

/** The metrics of a process, as app.ts sees them; OpenTelemetry stays behind it. */
export interface Metrics {
  /** Records exchanges; `reasons` are the enums that declare the reasons of errors. To be called once. */
  exchanges: (reasons: readonly object[]) => ExchangeObserver
  /** Records statements and waits for connections. */
  statements: ObserveStatements
  /** Records exchanges with Redis. */
  redis: ObserveRedis
  /** Gives what counts the reads of the cache of one kind of records. */
  cacheReads: (kind: string) => CacheReads
  /** Counts the calls that quotas judge, by class of caller, and those of shedding, by priority. */
  quotaCalls: Judged
  shedCalls: Judged
  /** Records the tries of calls to other services. */
  calls: CallMetrics
  /** Reads the state at each collection of the metrics; to be called once. */
  watch: (state: ServiceState) => void
  /** All metrics in Prometheus' text format. */
  text: () => Promise<string>
  /** Where `/metrics` is served; undefined where `metrics.addr` is empty. */
  address: AddressInfo | undefined
  /** Pushes the last values, for at most so long, and ends timers and the server. */
  stop: (timeoutMs: number) => Promise<void>
}
