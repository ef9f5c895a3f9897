import { staleKeys } from './stale-keys.ts'

interface DeletionOptions {
  /** Deletes keys; fails where it is not known that they are gone. */
  remove: (keys: readonly string[]) => Promise<unknown>
  /** Deletes every key. */
  removeAll: () => Promise<unknown>
  /** Between a failure and the next try. */
  pauseMs?: number
  /** Keys that are remembered; past them, all are deleted when that is possible again. */
  maxKeys?: number
}

const batchSize = 500
/** When keys are deleted again that a write may still change, counted from one to the next. */
const repeatsMs = [1000, 3000, 9000]

/**
 * Deletes keys whose values are no longer those of the database, and remembers them until they are
 * gone: as long as `has` says so, nobody should read or write them.
 */
export function deletions({
  remove,
  removeAll,
  pauseMs = 1000,
  maxKeys = 10_000,
}: DeletionOptions) {
  const stale = staleKeys(maxKeys)
  let timer: NodeJS.Timeout | undefined

  async function attempt(keys: readonly string[]): Promise<boolean> {
    const deletion = stale.begin(keys)
    try {
      await remove(keys)
      stale.deleted(deletion)
      return true
    } catch {
      later()
      return false
    }
  }

  async function attemptAll(): Promise<void> {
    const began = stale.unknown()
    await removeAll().then(
      () => stale.deletedAll(began),
      () => undefined,
    )
    if (stale.unknown() !== undefined || stale.all().length > 0) later()
  }

  async function sweep(): Promise<void> {
    if (stale.unknown() !== undefined) return attemptAll()
    const keys = stale.all()
    for (let at = 0; at < keys.length; at += batchSize)
      if (!(await attempt(keys.slice(at, at + batchSize)))) return
  }

  function later(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      void sweep()
    }, pauseMs).unref()
  }

  const again = repeats((keys) => {
    stale.add(keys)
    void attempt(keys)
  })

  return {
    has: stale.has,
    /**
     * Resolves after the first try; a key that may still be there is tried again. `isOver` is false for
     * a write that may still come: its keys are deleted again later, too.
     */
    async delete(keys: readonly string[], isOver: boolean): Promise<void> {
      if (keys.length === 0) return
      stale.add(keys)
      if (!isOver) again.begin(keys)
      await attempt(keys)
    },
    /** Tries once more what is still to be deleted, and ends. */
    close: async (): Promise<void> => {
      again.stop()
      await sweep()
      clearTimeout(timer)
    },
  }
}

/** Runs `work` again, some times, ever later. */
function repeats(work: (keys: readonly string[]) => void) {
  const timers = new Set<NodeJS.Timeout>()

  function begin(keys: readonly string[], [delayMs, ...others] = repeatsMs): void {
    if (delayMs === undefined) return
    const timer = setTimeout(() => {
      timers.delete(timer)
      work(keys)
      begin(keys, others)
    }, delayMs).unref()
    timers.add(timer)
  }
  return {
    begin: (keys: readonly string[]) => begin(keys),
    stop: () => timers.forEach((timer) => clearTimeout(timer)),
  }
}
