import type { Arrival } from '../listener/arrival.ts'
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
}

/** For so long after a refusal a process that is not busy any more goes on refusing. */
const coolOffMs = 1000

/**
 * Refuses a call while the process is busy and has more calls than it can serve at once. Neither alone
 * would do: a busy process that has few calls serves them all in time, and many calls at an idle one wait
 * for something else. A critical call competes with critical ones only, since it goes before the others.
 */
export function shedding({
  busy,
  limits,
  priorityOf,
  judged,
  now = () => performance.now(),
}: SheddingOptions) {
  const window = passWindow(now)
  const open = { critical: 0, default: 0 }
  const refusedAt = { critical: Number.NEGATIVE_INFINITY, default: Number.NEGATIVE_INFINITY }

  function refuses(priority: Priority): boolean {
    const isCritical = priority === 'critical'
    const { busy: limit, busyCritical } = limits()
    const isBusy = busy() >= (isCritical ? busyCritical : limit)
    if (!isBusy && now() - refusedAt[priority] >= coolOffMs) return false
    const calls = isCritical ? open.critical : open.critical + open.default
    const capacity = window.capacity()
    if (capacity === undefined || calls <= capacity) return false
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

/** The priority of a call, by a header; an empty name: none is critical. */
export function priorityBy(header: () => string) {
  return ({ headers }: Arrival): Priority => {
    const name = header()
    return name !== '' && headers[name] === 'critical' ? 'critical' : 'default'
  }
}
