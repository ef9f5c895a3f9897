import { type Abortable, abortable } from '../abortable.ts'

interface Flight<T> {
  readonly waiting: Set<Abortable<T>>
  readonly controller: AbortController
}

/**
 * Has callers of one key share one piece of work. Each waits with its own signal, and the work goes on
 * while anybody waits: one that gives up, the first one too, fails alone.
 */
export function flights<T>() {
  const open = new Map<string, Flight<T>>()

  function drop(key: string, flight = open.get(key)): void {
    if (open.get(key) === flight) open.delete(key)
  }

  function begin(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const flight: Flight<T> = { waiting: new Set(), controller: new AbortController() }
    open.set(key, flight)
    void work(flight.controller.signal).then(
      (value) => {
        drop(key, flight)
        for (const waiter of flight.waiting) waiter.resolve(value)
      },
      (err: unknown) => {
        drop(key, flight)
        for (const waiter of flight.waiting) waiter.reject(err)
      },
    )
    return flight
  }

  function join(key: string, flight: Flight<T>, signal: AbortSignal): Promise<T> {
    const waiter = abortable<T>(signal, (givenUp) => {
      flight.waiting.delete(waiter)
      if (!givenUp || flight.waiting.size > 0) return
      drop(key, flight)
      flight.controller.abort(signal.reason)
    })
    flight.waiting.add(waiter)
    return waiter.promise
  }

  return {
    /** Joins the work for a key, or begins it. Fails with the signal's reason when it aborts. */
    get(key: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
      return join(key, open.get(key) ?? begin(key, work), signal)
    },
    /** Whether there is work that a caller would join. */
    has: (key: string) => open.has(key),
    /** Has later callers begin anew. Those that wait get what they wait for. */
    drop: (key: string) => drop(key),
  }
}
