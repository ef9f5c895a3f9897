import { inFlight } from '../../memory/in-flight.ts'
import { type Clock, systemClock } from './clock.ts'

/** A call that waits to begin. Exactly one of the three is called, unless it leaves before. */
interface Waiter {
  begin(): void
  /** It has waited for as long as the server lets a call wait. */
  refuse(): void
  /** It has waited for as long as its client allows. */
  expire(): void
}

interface Queued {
  readonly waiter: Waiter
  stopTimer: () => void
}

const maxWaitMs = 5000

/** A queue of at most `maxWaiting` calls, first come, first served. */
export function callQueue(maxWaiting: number, { setTimer }: Pick<Clock, 'setTimer'> = systemClock) {
  const waiting = inFlight<Queued>()

  return {
    /**
     * Lets a call wait, for `timeoutMs` at most where its client gives that. Returns a function that
     * takes it out and tells whether it was still there; undefined if the queue is full.
     */
    join(waiter: Waiter, timeoutMs: number | undefined): (() => boolean) | undefined {
      if (waiting.size >= maxWaiting) return undefined
      const queued: Queued = { waiter, stopTimer: () => undefined }
      const entry = waiting.add(queued)
      const clientIsFirst = timeoutMs !== undefined && timeoutMs < maxWaitMs
      queued.stopTimer = setTimer(
        () => {
          if (!waiting.remove(entry)) return
          if (clientIsFirst) waiter.expire()
          else waiter.refuse()
        },
        clientIsFirst ? timeoutMs : maxWaitMs,
      )
      return () => {
        queued.stopTimer()
        return waiting.remove(entry)
      }
    },
    /** Lets the calls that have waited for the longest begin while there is room. */
    proceed(hasRoom: () => boolean): void {
      while (hasRoom()) {
        const oldest = waiting.oldest()
        if (!oldest) return
        waiting.remove(oldest)
        oldest.value.stopTimer()
        oldest.value.waiter.begin()
      }
    },
    /** Calls that wait. */
    get size() {
      return waiting.size
    },
  }
}
