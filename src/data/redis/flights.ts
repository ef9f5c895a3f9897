import { type Abortable, abortable } from '../abortable.ts'

/** A piece of work, as it sees those that wait for it. */
export interface Boarding {
  /** Aborts when nobody waits any more. */
  readonly signal: AbortSignal
  /** How many have joined so far. */
  readonly joined: () => number
  /** To be called before a read whose outcome would be too old for callers that come after it was sent. */
  readonly close: () => void
}

interface Flight<T> {
  readonly waiting: Set<Abortable<T>>
  readonly controller: AbortController
  joined: number
  isClosed: boolean
  /** The one whose end it waits for. */
  before: Flight<T> | undefined
  ended: Promise<void>
}

type Work<T> = (boarding: Boarding) => Promise<T>

/**
 * Has callers of one key share one piece of work until it closes. Later ones share the next, which begins
 * when that one has ended. Each waits with its own signal, and the work goes on while anybody waits: one
 * that gives up, the first one too, fails alone.
 */
export function flights<T>() {
  /** The last one of each key. */
  const open = new Map<string, Flight<T>>()

  function drop(key: string, flight = open.get(key)): void {
    if (open.get(key) === flight) open.delete(key)
  }

  /** Without it, later callers must still wait for the one before. */
  function abandon(key: string, flight: Flight<T>): void {
    const { before } = flight
    if (open.get(key) === flight && before && before.waiting.size > 0) open.set(key, before)
    else drop(key, flight)
  }

  function begin(key: string, work: Work<T>, before?: Flight<T>): Flight<T> {
    const flight = flightAfter(before)
    open.set(key, flight)
    flight.ended = started(flight, work).then(
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
      abandon(key, flight)
      flight.controller.abort(signal.reason)
    })
    flight.waiting.add(waiter)
    flight.joined += 1
    return waiter.promise
  }

  return {
    /** Joins the work for a key, or begins it. Fails with the signal's reason when it aborts. */
    get(key: string, work: Work<T>, signal: AbortSignal): Promise<T> {
      const last = open.get(key)
      return join(key, last?.isClosed === false ? last : begin(key, work, last), signal)
    },
    /** Whether there is work that a caller would join. */
    has: (key: string) => open.get(key)?.isClosed === false,
    /** Has later callers begin anew. Those that wait get what they wait for. */
    drop: (key: string) => drop(key),
  }
}

function flightAfter<T>(before: Flight<T> | undefined): Flight<T> {
  const controller = new AbortController()
  const ended = Promise.resolve()
  return { waiting: new Set(), controller, joined: 0, isClosed: false, before, ended }
}

async function started<T>(flight: Flight<T>, work: Work<T>): Promise<T> {
  const { signal } = flight.controller
  await flight.before?.ended
  // Otherwise each would keep all those before it.
  flight.before = undefined
  signal.throwIfAborted()
  return work({
    signal,
    joined: () => flight.joined,
    close: () => {
      flight.isClosed = true
    },
  })
}
