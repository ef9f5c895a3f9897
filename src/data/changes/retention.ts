import { backgroundClock, type Clock } from './clock.ts'
import type { UseChanges } from './source.ts'

const batchSize = 1000
const pauseMs = 300_000
/** A statement that takes longer has failed. */
const maxStatementMs = 10_000

interface RetentionOptions {
  use: UseChanges
  keepMs: number
  /** Told why old changes could not be deleted; they are deleted the next time. */
  failed: (err: unknown) => void
  clock?: Clock
}

/**
 * Deletes changes that are older than `keepMs`, every five minutes, in every process: whichever comes
 * first does it. Of the old ones the newest stays, from which a reader that has missed nothing resumes.
 */
export function retention({ use, keepMs, failed, clock = backgroundClock }: RetentionOptions) {
  const stopped = new AbortController()

  async function removeSome(): Promise<boolean> {
    const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(maxStatementMs)])
    const rows = await use(signal, (changes) => changes.oldest(batchSize))
    const last = rows.findLastIndex(({ ageMs }) => ageMs >= keepMs)
    const kept = rows[last]
    if (kept === undefined || last === 0) return false
    await use(signal, (changes) => changes.removeBefore(kept.seq))
    return last === batchSize - 1
  }

  async function run(): Promise<void> {
    for (;;) {
      // Processes that start together do not clean together.
      await clock.sleep(pauseMs * (0.5 + Math.random()), stopped.signal)
      try {
        while (await removeSome());
      } catch (err) {
        if (!stopped.signal.aborted) failed(err)
      }
    }
  }

  // It fails where it is stopped in a pause.
  void run().catch(() => undefined)
  return { stop: () => stopped.abort() }
}
