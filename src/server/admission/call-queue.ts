import { inFlight } from '../../memory/in-flight.ts'
import { type Clock, systemClock } from './clock.ts'

/** A call that waits to begin. Exactly one of the three is called, unless it leaves before. */
interface Waiter {
  begin(): void
  /** The server's maximum wait is over. */
  refuse(): void
  /** The client's timeout is over. */
  expire(): void
}

interface Queued {
  readonly waiter: Waiter
  stopTimer: () => void
}

const maxWaitMs = 5000

/** A queue of at most `maxWaiting()` calls: critical ones first, and first come, first served. */
export function callQueue(
  maxWaiting: () => number,
  { setTimer }: Pick<Clock, 'setTimer'> = systemClock,
) {
  const [critical, others] = [inFlight<Queued>(), inFlight<Queued>()]
  const size = () => critical.size + others.size

  return {
    /**
     * Queues a call, for `timeoutMs` at most if that is given. Returns a function that takes the call
     * out and tells whether it was still there; undefined if the queue is full.
     */
    join(
      waiter: Waiter,
      timeoutMs: number | undefined,
      isCritical = false,
    ): (() => boolean) | undefined {
      if (size() >= maxWaiting()) return undefined
      const waiting = isCritical ? critical : others
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
    /** Begins calls while there is room: critical ones, then those that came first. */
    proceed(hasRoom: () => boolean): void {
      while (hasRoom()) {
        const waiting = critical.size > 0 ? critical : others
        const oldest = waiting.oldest()
        if (!oldest) return
        waiting.remove(oldest)
        oldest.value.stopTimer()
        oldest.value.waiter.begin()
      }
    },
    /** Calls that wait. */
    get size() {
      return size()
    },
  }
}
