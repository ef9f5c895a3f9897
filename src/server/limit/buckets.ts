import { gcra, type Rate, type Verdict } from './gcra.ts'

/** Callers and operations that are remembered: some 20 MB. */
const maxBuckets = 100_000

/**
 * Counts the calls of this process. The bucket that was used the longest ago is dropped when there are
 * too many. `now` gives microseconds of a clock that is never set back.
 */
export function processBuckets(now: () => number, max = maxBuckets) {
  const buckets = new Map<string, number>()

  function take(key: string, rate: Rate): Verdict {
    const { fullAt, verdict } = gcra(buckets.get(key) ?? 0, now(), rate)
    // Entered anew, since a Map tells its entries in the order of entering.
    buckets.delete(key)
    buckets.set(key, fullAt)
    for (const oldest of buckets.keys()) {
      if (buckets.size <= max) break
      buckets.delete(oldest)
    }
    return verdict
  }

  return {
    /** Counts a call. */
    take,
    /** Buckets that are remembered. */
    get size() {
      return buckets.size
    },
  }
}

/** Microseconds of the clock of this process. */
export function monotonicUs(): number {
  return performance.now() * 1000
}
