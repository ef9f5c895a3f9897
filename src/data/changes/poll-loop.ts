import { AsyncLocalStorage } from 'node:async_hooks'
import { type Abortable, abortable } from '../abortable.ts'
import type { Clock } from './clock.ts'

/** Between polls however many are wanted, so that a busy process reads many changes at once. */
const minPauseMs = 10
/** After a poll that has seen a gap: most gaps close within milliseconds. */
const gapPauseMs = 25
/** A poll that takes longer has failed. */
const maxPollMs = 10_000

/** Polls are a part of no call, whichever call made the loop begin. */
const outside = AsyncLocalStorage.snapshot()

interface LoopOptions {
  /** Gives whether the next poll is to come soon. */
  poll: (signal: AbortSignal) => Promise<boolean>
  pollMs: number
  clock: Clock
}

/**
 * Polls until it is stopped: each `pollMs`, and at once when it is nudged. One poll at a time; one that
 * fails is repeated at the next time.
 */
export function pollLoop({ poll, pollMs, clock }: LoopOptions) {
  const stopped = new AbortController()
  let asking: Abortable<void>[] = []
  let sleeping = new AbortController()
  let isDue = false

  async function once(): Promise<number> {
    const answered = asking
    asking = []
    isDue = false
    try {
      const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(maxPollMs)])
      const isSoon = await poll(signal)
      for (const each of answered) each.resolve()
      return isSoon ? gapPauseMs : pollMs
    } catch (err) {
      for (const each of answered) each.reject(err)
      return pollMs
    }
  }

  async function run(): Promise<void> {
    while (!stopped.signal.aborted) {
      const pauseMs = await once()
      await clock.sleep(Math.min(minPauseMs, pauseMs), stopped.signal)
      sleeping = new AbortController()
      if (!isDue) await clock.sleep(pauseMs, sleeping.signal).catch(() => undefined)
    }
  }

  function nudge(): void {
    isDue = true
    sleeping.abort()
  }
  // In the next turn, so that whoever begins it can ask for the first poll. It fails where it is stopped
  // in a pause.
  outside(
    () =>
      void Promise.resolve()
        .then(run)
        .catch(() => undefined),
  )
  return {
    nudge,
    /** Resolves after a poll that begins later than this call; fails as that one, or with the signal. */
    polled: (signal: AbortSignal): Promise<void> => {
      const asked = abortable<void>(signal)
      asking.push(asked)
      nudge()
      return asked.promise
    },
    stop: (reason: unknown): void => {
      stopped.abort(reason)
      sleeping.abort()
      for (const each of asking) each.reject(reason)
    },
  }
}
