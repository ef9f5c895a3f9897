const buckets = 50
const bucketMs = 100

interface Bucket {
  /** The number of its time since the clock began. */
  slot: number
  passed: number
  totalMs: number
}

/**
 * The calls that were answered in the last 5 s, in 50 parts. `now` gives milliseconds of a clock that is
 * never set back.
 */
export function passWindow(now: () => number) {
  const ring = Array.from({ length: buckets }, (): Bucket => ({ slot: -1, passed: 0, totalMs: 0 }))
  const slotNow = () => Math.floor(now() / bucketMs)

  return {
    /** Notes a call that took so long to answer. */
    passed(ms: number): void {
      const slot = slotNow()
      const bucket = ring[slot % buckets]
      if (!bucket) return
      if (bucket.slot !== slot) Object.assign(bucket, { slot, passed: 0, totalMs: 0 })
      bucket.passed += 1
      bucket.totalMs += ms
    },
    /**
     * How many calls the process can serve at once: the maximum that were answered in one part, for as long
     * as calls took at least. By Little's law more calls at once only wait for each other. Undefined where
     * there were none.
     */
    capacity(): number | undefined {
      const slot = slotNow()
      let [maxPassed, minMs] = [0, Number.POSITIVE_INFINITY]
      for (const bucket of ring) {
        // The present part is not over, so its number says nothing.
        if (bucket.passed === 0 || bucket.slot === slot || bucket.slot <= slot - buckets) continue
        maxPassed = Math.max(maxPassed, bucket.passed)
        minMs = Math.min(minMs, bucket.totalMs / bucket.passed)
      }
      return maxPassed === 0 ? undefined : Math.max(1, Math.round((maxPassed * minMs) / bucketMs))
    },
  }
}
