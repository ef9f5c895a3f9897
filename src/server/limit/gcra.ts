/** How many calls there may be: one each `intervalUs` in the long run, and `burst` at one moment. */
export interface Rate {
  intervalUs: number
  burst: number
}

/** What a quota says of one call. */
export interface Verdict {
  allowed: boolean
  /** Calls that may follow at once. */
  left: number
  /** Until the next call may come; 0 where one may come at once. */
  waitUs: number
  /** Until the whole burst may come again. */
  fullUs: number
}

/**
 * The generic cell rate algorithm. `fullAt` is the time at which the whole burst may come again, the
 * only thing to be kept of a caller. A call moves it by one interval, and is refused if it would be
 * further away than the burst. `quota.ts` of src/data/redis has the same in Lua.
 */
export function gcra(fullAt: number, nowUs: number, { intervalUs, burst }: Rate) {
  const debtUs = burst * intervalUs
  // Never above the debt, which a change of the rate or a clock that is set back would leave there.
  const from = Math.min(Math.max(fullAt, nowUs), nowUs + debtUs)
  const next = from + intervalUs
  const overUs = next - nowUs - debtUs
  // Sums of fractions miss the sum by less than this.
  const allowed = overUs < 0.5
  const until = allowed ? next : from
  return { fullAt: until, verdict: verdictOf(allowed, until - nowUs, { intervalUs, burst }) }
}

/** What is known of a caller once its call is judged. */
export function verdictOf(allowed: boolean, fullUs: number, { intervalUs, burst }: Rate): Verdict {
  // A microsecond, which is less than any interval, for what was rounded.
  const left = Math.min(burst, Math.max(0, Math.floor(burst - (fullUs - 1) / intervalUs)))
  const waitUs = left > 0 ? 0 : Math.max(0, fullUs - (burst - 1) * intervalUs)
  return { allowed, left, waitUs, fullUs }
}

/**
 * The rate of so many calls per second, of which those of `burstMs` may come at once; undefined where
 * there is no limit.
 */
export function rateOf(perSecond: number, burstMs: number): Rate | undefined {
  if (perSecond <= 0) return undefined
  return {
    intervalUs: 1e6 / perSecond,
    burst: Math.max(1, Math.round((perSecond * burstMs) / 1000)),
  }
}

/** The share of one of so many instances. */
export function shareOf({ intervalUs, burst }: Rate, instances: number): Rate {
  return {
    intervalUs: intervalUs * instances,
    burst: Math.max(1, Math.round(burst / instances)),
  }
}
