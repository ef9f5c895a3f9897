import { repeats } from './repeats.ts'
import { staleKeys } from './stale-keys.ts'

interface DeletionOptions {
  /** Deletes keys; fails where it is not known that they are gone. */
  remove: (keys: readonly string[]) => Promise<unknown>
  /** Deletes every key. */
  removeAll: () => Promise<unknown>
  /** Between a failure and the next try. */
  pauseMs?: number
  /** Keys that are remembered, of either sort; past them, all are deleted. */
  maxKeys?: number
}

const batchSize = 500

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
  const later = delayed(() => void sweep(), pauseMs)

  async function attempt(keys: readonly string[]): Promise<boolean> {
    const deletion = stale.begin(keys)
    try {
      await remove(keys)
      stale.deleted(deletion)
      return true
    } catch {
      later.begin()
      return false
    }
  }

  async function attemptAll(): Promise<void> {
    const began = stale.unknown()
    await removeAll().then(
      () => stale.deletedAll(began),
      () => undefined,
    )
    if (stale.unknown() !== undefined || stale.all().length > 0) later.begin()
  }

  async function sweep(): Promise<void> {
    if (stale.unknown() !== undefined) return attemptAll()
    const keys = stale.all()
    for (let at = 0; at < keys.length; at += batchSize)
      if (!(await attempt(keys.slice(at, at + batchSize)))) return
  }

  const again = repeats({
    maxKeys,
    some: (keys) => {
      stale.add(keys)
      void attempt(keys)
    },
    all: () => {
      stale.addAll()
      void attemptAll()
    },
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
      later.stop()
    },
  }
}

/** Runs `work` after a pause, once for all that ask for it meanwhile. */
function delayed(work: () => void, pauseMs: number) {
  let timer: NodeJS.Timeout | undefined
  return {
    begin(): void {
      timer ??= setTimeout(() => {
        timer = undefined
        work()
      }, pauseMs).unref()
    },
    stop: () => clearTimeout(timer),
  }
}
