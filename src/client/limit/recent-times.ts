import type { Clock } from '../clock.ts'

/** Upper bounds grow by a tenth from 0.1 ms to more than a minute. */
const growth = 1.1
const firstMs = 0.1
const bucketCount = 144
const halfMs = 30_000
/** With fewer values the answer would be chance. */
const minimum = 20

/** Recent times of one method; made by `recentTimes`. */
export type RecentTimes = ReturnType<typeof recentTimes>

/** The times of a method's calls in about the last minute. */
export function recentTimes(now: Clock) {
  let current = new Uint32Array(bucketCount)
  let before = new Uint32Array(bucketCount)
  let turnAt = now() + halfMs
  let count = 0
  let countBefore = 0

  function turn(at: number): void {
    if (at < turnAt) return
    const isOld = at >= turnAt + halfMs
    before = isOld ? new Uint32Array(bucketCount) : current
    countBefore = isOld ? 0 : count
    current = new Uint32Array(bucketCount)
    count = 0
    turnAt = at + halfMs
  }

  return {
    add(ms: number): void {
      turn(now())
      const bucket = ms <= firstMs ? 0 : Math.ceil(Math.log(ms / firstMs) / Math.log(growth))
      const place = Math.min(bucket, bucketCount - 1)
      current[place] = (current[place] ?? 0) + 1
      count += 1
    },
    /** The time that this part of the calls stays below; undefined with too few of them. */
    quantile(part: number): number | undefined {
      turn(now())
      const total = count + countBefore
      if (total < minimum) return undefined
      let left = total * part
      for (let place = 0; place < bucketCount; place += 1) {
        left -= (current[place] ?? 0) + (before[place] ?? 0)
        if (left <= 0) return firstMs * growth ** place
      }
      return firstMs * growth ** bucketCount
    },
  }
}
