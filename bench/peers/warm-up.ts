import type { Slice } from './slice.ts'

/** How a warm-up went. */
export interface WarmUp {
  calls: number
  /** CPU time a call, in µs, of its first slice and its best. */
  firstUs: number
  bestUs: number
  /** False where it was ended although the cost still fell. */
  settled: boolean
  failed: Slice[]
}

export interface Limits {
  minCalls: number
  maxSlices: number
}

/** A slice must be cheaper by this share to count as cheaper. */
const noise = 0.02
const inARow = 3

/**
 * Takes slices until the CPU time of a call has stopped to fall: none of the last three is cheaper than
 * the best before them, after `minCalls` calls. V8 compiles by calls, so time alone says nothing.
 */
export async function warmUp(
  next: () => Promise<Slice>,
  { minCalls, maxSlices }: Limits,
): Promise<WarmUp> {
  const costs: number[] = []
  const failed: Slice[] = []
  let calls = 0
  let settled = false
  while (!settled && costs.length < maxSlices) {
    const slice = await next()
    costs.push(slice.serverUs)
    if (slice.failed > 0) failed.push(slice)
    calls += slice.calls
    settled = calls >= minCalls && hasSettled(costs)
  }
  return { calls, firstUs: costs[0] ?? Number.NaN, bestUs: Math.min(...costs), settled, failed }
}

/** Whether the last of these costs are not below the best of those before them. */
export function hasSettled(costs: readonly number[]): boolean {
  const best = Math.min(...costs.slice(0, -inARow))
  return costs.length > inARow && Math.min(...costs.slice(-inARow)) > best * (1 - noise)
}
