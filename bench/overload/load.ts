import { setTimeout as sleep } from 'node:timers/promises'
import type { Caller, Outcome } from './caller.ts'

/** An arrival that found no connection within this time is given up, as by a client's own deadline. */
const patienceMs = 1000

export interface Figures {
  /** Calls that ended in the measured time, by how. */
  counts: Record<Outcome, number>
  /** The same of all calls that were sent, before and after the measured time, too. */
  sent: Record<Outcome, number>
  /** Arrivals that no connection was free for in time. */
  gaveUp: number
  /** How far the clock went in the measured time. */
  clockMs: number
  /** Of the accepted, from when the call was due. */
  p50Ms: number
  p99Ms: number
}

/** When a load is measured. */
interface Window {
  begin: number
  end: number
  /** The milliseconds by which calls come, and by which latency is counted; left out: real ones. */
  clock?: (() => number) | undefined
}

/** For so long at most the calls are waited for that are open at the end. */
const maxTailMs = 10_000

const realMs = () => performance.now()

function tally({ begin, end, clock = realMs }: Window) {
  let beganAt: number | undefined
  const counts: Record<Outcome, number> = { ok: 0, refused: 0, failed: 0 }
  const latencies: number[] = []
  const sent: Record<Outcome, number> = { ok: 0, refused: 0, failed: 0 }
  let [gaveUp, open] = [0, 0]
  const isOpen = () => open > 0

  function ended(outcome: Outcome, dueAt: number): void {
    const now = performance.now()
    open -= 1
    sent[outcome] += 1
    if (now < begin || now > end) return
    beganAt ??= clock()
    counts[outcome] += 1
    if (outcome === 'ok') latencies.push(clock() - dueAt)
  }

  return {
    /** Begins a call, and calls `then` when it has ended; false where every connection is in use. */
    call(caller: Caller, dueAt: number, then: () => void): boolean {
      const begun = caller.call((outcome) => (ended(outcome, dueAt), then()))
      if (begun) open += 1
      return begun
    },
    leave(): void {
      gaveUp += 1
    },
    /** Waits for the calls that are open, so that none is cut off. */
    async figures(): Promise<Figures> {
      const clockMs = clock() - (beganAt ?? Number.NaN)
      const last = performance.now() + maxTailMs
      while (isOpen() && performance.now() < last) await sleep(10)
      latencies.sort((a, b) => a - b)
      const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN
      return { counts, sent, gaveUp, clockMs, p50Ms: at(0.5), p99Ms: at(0.99) }
    },
  }
}

/** Keeps `concurrency` calls under way; the next one begins when one has ended. */
export async function closedLoop(
  caller: Caller,
  concurrency: number,
  window: Window,
): Promise<Figures> {
  const results = tally(window)
  const { clock = realMs } = window
  function next(): void {
    if (performance.now() < window.end) results.call(caller, clock(), next)
  }
  for (let lane = 0; lane < concurrency; lane += 1) next()
  await sleep(window.end - performance.now())
  return results.figures()
}

/**
 * Lets `rate` calls arrive in each second, whatever became of those before. Latency counts from when
 * a call was due, so that a service which makes its clients wait cannot look quick.
 */
export async function openLoop(caller: Caller, rate: number, window: Window): Promise<Figures> {
  const results = tally(window)
  const { clock = realMs } = window
  const start = clock()
  let arrived = 0
  let begun = 0
  const dueAtOf = (index: number) => start + (index * 1000) / rate

  function drain(): void {
    for (; begun < arrived; begun += 1) {
      const dueAt = dueAtOf(begun)
      if (clock() - dueAt > patienceMs) results.leave()
      else if (!results.call(caller, dueAt, drain)) return
    }
  }

  while (performance.now() < window.end) {
    arrived = Math.floor(((clock() - start) * rate) / 1000)
    drain()
    await sleep(1)
  }
  return results.figures()
}
