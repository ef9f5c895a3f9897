import type { Clock } from '../../../src/server/admission/clock.ts'

interface Timer {
  at: number
  callback: () => void
}

/** A clock that only moves when a test says so. */
export function fakeClock() {
  const timers = new Set<Timer>()
  let turn: (() => void)[] = []
  let now = 0

  const clock: Clock = {
    setTimer(callback, ms) {
      const timer = { at: now + ms, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    nextTurn: (callback) => void turn.push(callback),
  }

  function nextTimer(until: number): Timer | undefined {
    const due = [...timers].filter(({ at }) => at <= until)
    return due.toSorted((a, b) => a.at - b.at)[0]
  }

  return {
    clock,
    /** Lets `ms` milliseconds pass, and calls the timers of this time in their order. */
    pass(ms: number): void {
      const until = now + ms
      for (let next = nextTimer(until); next; next = nextTimer(until)) {
        timers.delete(next)
        now = next.at
        next.callback()
      }
      now = until
    },
    /** Lets the event loop go round once; no time passes. */
    turn(): void {
      const callbacks = turn
      turn = []
      for (const callback of callbacks) callback()
    },
    /** Timers and callbacks that are still to come. */
    get pending() {
      return timers.size + turn.length
    },
  }
}
