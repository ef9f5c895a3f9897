import type { Arrival } from '../listener/arrival.ts'
import { type Clock, systemClock } from './clock.ts'
import { passWindow } from './pass-window.ts'

/** How important a call is to its client. */
export type Priority = 'critical' | 'default'

/** A call that was let in. */
export interface OpenCall {
  isCritical: boolean
  /** It is worked on from now on. */
  begun(): void
  /** Its answer is written. Nothing more is told of it after this, or after `left`. */
  answered(): void
  /** It is no call any more: it has become a stream, or its client has gone. */
  left(): void
}

/** Refuses calls when the process can serve no more, as shedding makes it. */
export type Shedding = ReturnType<typeof shedding>

interface SheddingOptions {
  /** How busy the process is, from 0 to 1. */
  busy: () => number
  /** From when on calls are refused. */
  limits: () => { busy: number; busyCritical: number }
  /** Gives the priority of a call. */
  priorityOf: (arrival: Arrival) => Priority
  judged: (priority: Priority, allowed: boolean) => void
  /** Milliseconds of a clock that is never set back. */
  now?: () => number
  nextTurn?: Clock['nextTurn']
}

/**
 * For so long the event loop may begin what has come before a call waits too long. A critical call waits
 * longer, since it is there that critical calls alone would be too many.
 */
const maxTurnMs: Record<Priority, number> = { critical: 250, default: 25 }

/** For so long after a refusal a process that is not busy any more goes on refusing. */
const coolOffMs = 1000

/**
 * Refuses a call while the process is busy and calls wait: for each other, since there are more than it
 * can serve at once, or for the event loop, which takes long to begin them all. Neither alone
 * would do: a busy process where none waits serves them all in time, and calls at an idle one wait for
 * something else. A critical call competes with critical ones only, since it goes before the others.
 */
export function shedding({
  busy,
  limits,
  priorityOf,
  judged,
  now = () => performance.now(),
  nextTurn = systemClock.nextTurn,
}: SheddingOptions) {
  const window = passWindow(now)
  const open = { critical: 0, default: 0 }
  const refusedAt = { critical: Number.NEGATIVE_INFINITY, default: Number.NEGATIVE_INFINITY }

  /** For how long the event loop has begun calls without a look at its sockets. */
  const turnMs = turns(now, nextTurn)

  function waits(priority: Priority): boolean {
    if (turnMs() > maxTurnMs[priority]) return true
    const calls = priority === 'critical' ? open.critical : open.critical + open.default
    const capacity = window.capacity()
    return capacity !== undefined && calls > capacity
  }

  function refuses(priority: Priority): boolean {
    const { busy: limit, busyCritical } = limits()
    const isBusy = busy() >= (priority === 'critical' ? busyCritical : limit)
    if (!isBusy && now() - refusedAt[priority] >= coolOffMs) return false
    if (!waits(priority)) return false
    // The cool-off itself does not make it longer.
    if (isBusy) refusedAt[priority] = now()
    return true
  }

  function enter(priority: Priority): OpenCall {
    let [beganAt, isOpen] = [Number.NaN, true]
    open[priority] += 1
    function left(): void {
      if (isOpen) open[priority] -= 1
      isOpen = false
    }
    return {
      isCritical: priority === 'critical',
      begun: () => void (beganAt = now()),
      answered() {
        if (isOpen) window.passed(now() - beganAt)
        left()
      },
      left,
    }
  }

  return {
    /** Lets a call in; undefined: it is to be refused. */
    arrive(arrival: Arrival): OpenCall | undefined {
      const priority = priorityOf(arrival)
      const isRefused = refuses(priority)
      judged(priority, !isRefused)
      return isRefused ? undefined : enter(priority)
    },
  }
}

/** Gives the milliseconds since it was first called in this turn of the event loop. */
function turns(now: () => number, nextTurn: Clock['nextTurn']): () => number {
  let beganAt: number | undefined
  return function turnMs() {
    if (beganAt !== undefined) return now() - beganAt
    beganAt = now()
    nextTurn(() => (beganAt = undefined))
    return 0
  }
}

/** The priority of a call, by a header; an empty name: none is critical. */
export function priorityBy(header: () => string) {
  return ({ headers }: Arrival): Priority => {
    const name = header()
    return name !== '' && headers[name] === 'critical' ? 'critical' : 'default'
  }
}
