import type { AddressInfo } from 'node:net'
import type { ObserveStatements } from '../../data/statement-observer.ts'
import type { ExchangeObserver } from '../../server/exchange/exchange.ts'
import type { ServiceState } from './state.ts'

/** All metrics of one process, as app.ts and the layers see them. */
export interface Metrics {
  /** Records exchanges; `reasons` are the enums that declare the reasons of errors. To be called once. */
  exchanges: (reasons: readonly object[]) => ExchangeObserver
  /** Records statements and waits for connections. */
  statements: ObserveStatements
  /** Reads the state whenever somebody asks for the metrics; to be called once. */
  watch: (state: ServiceState) => void
  /** All of them in Prometheus' text format. */
  text: () => Promise<string>
  /** Where the text is served; undefined where it is not. */
  address: AddressInfo | undefined
  /** Pushes what has not been pushed yet, for at most so long, and ends timers and the server. */
  stop: (timeoutMs: number) => Promise<void>
}
