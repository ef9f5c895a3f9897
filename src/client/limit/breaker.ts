import type { Clock, Random } from '../clock.ts'
import type { ClientSettings } from '../settings.ts'

/** Of the sliding window. */
const bucketCount = 40
/** One call in this time is let through whatever the others have shown, as in go-zero. */
const probeMs = 1000

/** Rejects calls of one method while most of them fail; made by `breaker`. */
export type Breaker = ReturnType<typeof breaker>

/**
 * The client-side throttling of Google's SRE book, chapter 21: with n calls in the window and `ok`
 * successes, a call is rejected with probability (n - k ok) / (n + 1). Rejected calls do not count:
 * else an outage would last longer than its cause.
 */
export function breaker(
  { k, windowMs, minimum }: ClientSettings['breaker'],
  now: Clock,
  random: Random,
) {
  const bucketMs = windowMs / bucketCount
  const calls = new Uint32Array(bucketCount)
  const successes = new Uint32Array(bucketCount)
  let sumCalls = 0
  let sumSuccesses = 0
  let current = Math.floor(now() / bucketMs)
  let probedAt = Number.NEGATIVE_INFINITY

  /** Empties the buckets that have left the window. Returns the place of the current one. */
  function advance(at: number): number {
    const bucket = Math.floor(at / bucketMs)
    for (let n = Math.min(bucket - current, bucketCount); n > 0; n -= 1) {
      const place = (bucket - n + 1) % bucketCount
      sumCalls -= calls[place] ?? 0
      sumSuccesses -= successes[place] ?? 0
      calls[place] = 0
      successes[place] = 0
    }
    if (bucket > current) current = bucket
    return bucket % bucketCount
  }

  return {
    /** Whether a try may begin. */
    allows(): boolean {
      const at = now()
      advance(at)
      if (sumCalls < minimum || sumCalls <= k * sumSuccesses) return true
      if (at - probedAt >= probeMs) {
        probedAt = at
        return true
      }
      return random() >= (sumCalls - k * sumSuccesses) / (sumCalls + 1)
    },
    /** Counts a try that has ended. */
    ended(ok: boolean): void {
      const place = advance(now())
      calls[place] = (calls[place] ?? 0) + 1
      sumCalls += 1
      if (!ok) return
      successes[place] = (successes[place] ?? 0) + 1
      sumSuccesses += 1
    },
  }
}
