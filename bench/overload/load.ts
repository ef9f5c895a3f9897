import { setTimeout as sleep } from 'node:timers/promises'
import type { Caller, Outcome } from './caller.ts'

/** An arrival that found no connection within this time is given up, as by a client's own deadline. */
const patienceMs = 1000

export interface Figures {
  /** Calls that ended in the measured time, by how. */
  counts: Record<Outcome, number>
  /** Arrivals that no connection was free for in time. */
  gaveUp: number
  /** Of the accepted, from when the call was due. */
  p50Ms: number
  p99Ms: number
}

interface Window {
  begin: number
  end: number
}

function tally({ begin, end }: Window) {
  const counts: Record<Outcome, number> = { ok: 0, refused: 0, failed: 0 }
  const latencies: number[] = []
  let gaveUp = 0
  return {
    ended(outcome: Outcome, dueAt: number): void {
      const now = performance.now()
      if (now < begin || now > end) return
      counts[outcome] += 1
      if (outcome === 'ok') latencies.push(now - dueAt)
    },
    leave(): void {
      gaveUp += 1
    },
    figures(): Figures {
      latencies.sort((a, b) => a - b)
      const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN
      return { counts, gaveUp, p50Ms: at(0.5), p99Ms: at(0.99) }
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
  function next(): void {
    const dueAt = performance.now()
    if (dueAt > window.end) return
    caller.call((outcome) => {
      results.ended(outcome, dueAt)
      next()
    })
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
  const start = performance.now()
  let arrived = 0
  let begun = 0
  const dueAtOf = (index: number) => start + (index * 1000) / rate

  function drain(): void {
    for (; begun < arrived; begun += 1) {
      const dueAt = dueAtOf(begun)
      if (performance.now() - dueAt > patienceMs) results.leave()
      else if (!caller.call((outcome) => (results.ended(outcome, dueAt), drain()))) return
    }
  }

  for (let now = start; now < window.end; now = performance.now()) {
    arrived = Math.floor(((now - start) * rate) / 1000)
    drain()
    await sleep(1)
  }
  return results.figures()
}
