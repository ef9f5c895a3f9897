import { setTimeout as sleep } from 'node:timers/promises'

/** The time, for tests to replace. */
export interface Clock {
  /** In ms; only differences count. */
  now: () => number
  /** Resolves after so many ms, and fails when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
}

/** The time as it is. */
export const systemClock: Clock = clock({ ref: true })

/** The same for work that no process stays alive for. */
export const backgroundClock: Clock = clock({ ref: false })

function clock(options: { ref: boolean }): Clock {
  return {
    now: () => performance.now(),
    sleep: (ms, signal) => sleep(ms, undefined, { signal, ...options }),
  }
}
