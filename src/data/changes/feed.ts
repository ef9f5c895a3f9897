import type { ChangeFeed, Position } from '../../biz/changes.ts'
import { databaseUnavailable } from '../error.ts'
import { type Clock, systemClock } from './clock.ts'
import { history } from './history.ts'
import { pollLoop } from './poll-loop.ts'
import type { UseChanges } from './source.ts'

/** How a history is watched. */
interface FeedOptions {
  use: UseChanges
  /** How often the changes of other processes are read, while there is a reader. */
  pollMs: number
  /** For how long a gap is waited for; see gapRule. */
  gapMs: number
  /** Changes that are kept in memory for readers that lag behind; older ones are read again. */
  maxChanges?: number
  clock?: Clock
}

type Open = ChangeFeed['open']

/** One reading of the history, from the first reader to the last. */
type Reading = ReturnType<typeof reading>

/**
 * Watches one history for all readers of the process: while there are any, one loop polls. A process
 * that has written tells it, and waits for no poll.
 */
export function changeFeed(options: FeedOptions): ChangeFeed & {
  /** To be called after each commit of changes by this process. */
  written: () => void
  close: () => void
} {
  let current: Reading | undefined

  function leave(left: Reading): void {
    left.readers -= 1
    if (left.readers > 0) return
    left.stop()
    if (current === left) current = undefined
  }

  /** The function that leaves may be called twice. */
  function join(signal: AbortSignal) {
    if (current?.past.isLost()) current = undefined
    const joined = (current ??= reading(options))
    joined.readers += 1
    const close = onceAborted(signal, () => leave(joined))
    return { ...joined, close }
  }

  async function open(from: Position | undefined, signal: AbortSignal): ReturnType<Open> {
    signal.throwIfAborted()
    const { past, polled, close } = join(signal)
    try {
      await polled(signal)
      const known = !past.isLost() && (!from || (await past.knows(from, signal)))
      if (known) return { start: from ?? past.end(), after: (at) => past.after(at, signal), close }
    } catch (err) {
      close()
      throw err
    }
    close()
    // The next reading begins with the table as it is.
    return past.isLost() ? open(from, signal) : undefined
  }

  return {
    open,
    written: () => current?.nudge(),
    close: () => {
      current?.stop()
      current?.past.giveUp(ended())
    },
  }
}

function reading({ use, pollMs, gapMs, maxChanges = 10_000, clock = systemClock }: FeedOptions) {
  const past = history({ use, gapMs, maxChanges, now: clock.now })
  const loop = pollLoop({ poll: past.poll, pollMs, clock })
  return {
    readers: 0,
    past,
    nudge: loop.nudge,
    polled: loop.polled,
    stop: () => loop.stop(ended()),
  }
}

const ended = () => databaseUnavailable(new Error('the history is not read any more'))

/** Gives a function that runs `work` once, which an abort of the signal does, too. */
function onceAborted(signal: AbortSignal, work: () => void): () => void {
  let isDone = false
  function done(): void {
    if (isDone) return
    isDone = true
    signal.removeEventListener('abort', done)
    work()
  }
  signal.addEventListener('abort', done, { once: true })
  return done
}
