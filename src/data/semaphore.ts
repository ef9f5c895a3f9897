import { inFlight } from '../memory/in-flight.ts'
import { type Abortable, abortable } from './abortable.ts'
import { databaseUnavailable } from './error.ts'

/** How many connections there are, and how long and how many calls wait for one. */
export interface PoolLimits {
  /** How many calls may have one at once. */
  size: number
  /** How many may wait for one. */
  maxWaiting: number
  /** For how long one may wait. */
  waitMs: number
}

/** Told of a call that is sent away: it has waited for too long, or too many wait already. */
type Refused = (limit: 'pool_wait' | 'pool_queue') => void

/**
 * Counts the connections that calls have, first come first served. mysql2's own queue knows neither a
 * time limit nor an AbortSignal, so no call waits there.
 */
export function semaphore(
  { size, maxWaiting, waitMs }: PoolLimits,
  refused: Refused = () => undefined,
) {
  let free = size
  const waiting = inFlight<Abortable<void>>()

  function wait(signal: AbortSignal): Promise<void> {
    const turn = abortable<void>(signal, () => {
      clearTimeout(timer)
      waiting.remove(entry)
    })
    const entry = waiting.add(turn)
    function expire(): void {
      if (turn.giveUp(notInTime(waitMs))) refused('pool_wait')
    }
    // One turn of the event loop later, so that a release that is already due comes first.
    const timer = setTimeout(() => setImmediate(expire), waitMs)
    return turn.promise
  }

  return {
    /**
     * Takes a place, to be given back by `release`. Fails with DATABASE_UNAVAILABLE when none is free
     * in time or too many calls wait already, and with the signal's reason.
     */
    acquire(signal: AbortSignal): Promise<void> {
      if (signal.aborted) return Promise.reject(signal.reason)
      if (free > 0) {
        free -= 1
        return Promise.resolve()
      }
      if (waiting.size < maxWaiting) return wait(signal)
      refused('pool_queue')
      const problem = new Error(`${maxWaiting} calls wait for a connection already`)
      return Promise.reject(databaseUnavailable(problem))
    },
    release(): void {
      const next = waiting.oldest()
      if (next) next.value.resolve()
      else free += 1
    },
    /** Sends away all that wait. */
    dismiss(reason: unknown): void {
      for (const turn of waiting.all()) turn.giveUp(reason)
    },
    get inUse() {
      return size - free
    },
    get waiting() {
      return waiting.size
    },
  }
}

function notInTime(waitMs: number): Error {
  return databaseUnavailable(new Error(`no connection was free within ${waitMs} ms`))
}
