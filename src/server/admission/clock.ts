/** The timers of this folder, so that a test can step them. */
export interface Clock {
  /** Calls back after `ms` milliseconds. Returns a function that cancels. */
  setTimer: (callback: () => void, ms: number) => () => void
  /** Calls back after the event loop has read from the sockets once more. */
  nextTurn: (callback: () => void) => void
}

/** Node's own timers. */
export const systemClock: Clock = {
  setTimer(callback, ms) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
  nextTurn: (callback) => void setImmediate(callback),
}
