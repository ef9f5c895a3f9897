import { inFlight } from '../../memory/in-flight.ts'
import { databaseUnavailable } from '../error.ts'

export interface SlotLimits {
  /** How many may be taken at once. */
  size: number
  /** How many may wait for one. */
  maxWaiting: number
  /** For how long one may wait. */
  waitMs: number
}

interface Waiter {
  take(): void
  leave(reason: unknown): void
}

/**
 * Gives out connections' worth of room, first come first served. mysql2's own queue knows neither a
 * time limit nor an AbortSignal, so nobody waits there. `refused` is told of those who are sent away.
 */
export function slots(
  { size, maxWaiting, waitMs }: SlotLimits,
  refused: (limit: 'pool_wait' | 'pool_queue') => void = () => undefined,
) {
  let free = size
  const waiting = inFlight<Waiter>()

  function release(): void {
    const next = waiting.oldest()
    if (next) next.value.take()
    else free += 1
  }

  function wait(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = {
      take() {
        settle()
        resolve()
      },
      leave(reason) {
        settle()
        reject(reason)
      },
    }
    // One turn later, so that a release that is already due comes first.
    const timer = setTimeout(() => setImmediate(() => waiting.has(entry) && expire()), waitMs)
    const abort = () => waiter.leave(signal.reason)
    function expire(): void {
      refused('pool_wait')
      waiter.leave(databaseUnavailable(new Error(`no connection was free within ${waitMs} ms`)))
    }
    function settle(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      waiting.remove(entry)
    }
    const entry = waiting.add(waiter)
    signal.addEventListener('abort', abort, { once: true })
    return promise
  }

  return {
    /**
     * Takes a slot, to be given back by `release`. Fails with DATABASE_UNAVAILABLE when none is free
     * in time or too many wait already, and with the signal's reason.
     */
    async acquire(signal: AbortSignal): Promise<void> {
      signal.throwIfAborted()
      if (free > 0) free -= 1
      else if (waiting.size >= maxWaiting) {
        refused('pool_queue')
        throw databaseUnavailable(new Error(`${maxWaiting} calls wait for a connection already`))
      } else await wait(signal)
    },
    release,
    /** Sends all away who wait. */
    dismiss(reason: unknown): void {
      for (const waiter of waiting.all()) waiter.leave(reason)
    },
    get inUse() {
      return size - free
    },
    get waiting() {
      return waiting.size
    },
  }
}
