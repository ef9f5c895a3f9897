import type { Arrival, Gate } from './arrival.ts'

/**
 * Has each request of one connection of HTTP/1.1 begin when all that have arrived with it, on any
 * connection, are read. Otherwise every socket that is read leads through its whole call, and the steps of
 * the calls displace each other's code in the caches of the processor (docs/performance.md).
 *
 * They begin one by one, so that a call which waits for nothing is over before the next is judged
 * (docs/limits.md, shedding).
 */
export function afterReading(gate: Gate) {
  let waiting: Arrival | undefined

  function pass(): void {
    const arrival = waiting
    waiting = undefined
    if (arrival) gate(arrival)
  }
  return {
    /** No other request of the connection may come until this one has begun; the pipeline sees to that. */
    take(arrival: Arrival): void {
      waiting = arrival
      setImmediate(pass)
    },
    /** Has a request that has arrived begin at once. */
    pass,
  }
}
