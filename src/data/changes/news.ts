import { type Abortable, abortable } from '../abortable.ts'

/** Lets many wait for the same news, each with a signal of its own. */
export function news() {
  const waiting = new Set<Abortable<void>>()
  return {
    /** Fails with the signal's reason when it aborts. */
    wait(signal: AbortSignal): Promise<void> {
      const waiter = abortable<void>(signal, () => waiting.delete(waiter))
      waiting.add(waiter)
      return waiter.promise
    },
    /** Wakes all that wait. */
    tell: (): void => {
      for (const waiter of waiting) waiter.resolve()
    },
    /** Has all that wait fail. */
    giveUp: (reason: unknown): void => {
      for (const waiter of waiting) waiter.giveUp(reason)
    },
  }
}
