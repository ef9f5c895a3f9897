import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectError } from '@connectrpc/connect'

const tickMs = 10
/** Calls that a busy machine has not begun in time are left out beyond this, or they would be a burst. */
const lateMs = 100

/** What has become of the calls so far. */
export interface Outcome {
  succeeded: number
  /** What each call failed with, and when, in seconds from the start. */
  failed: { at: number; error: ConnectError }[]
  times: number[]
}

/** Begins so many calls a second, whatever their answers take; `stop` lets those that are open end. */
export function paced(perSecond: number, call: () => Promise<unknown>) {
  const outcome: Outcome = { succeeded: 0, failed: [], times: [] }
  const startedAt = performance.now()
  const open = new Set<Promise<void>>()
  const ending = new AbortController()

  async function one(): Promise<void> {
    const begin = performance.now()
    try {
      await call()
      outcome.succeeded += 1
      outcome.times.push(performance.now() - begin)
    } catch (err) {
      const at = (performance.now() - startedAt) / 1000
      outcome.failed.push({ at, error: ConnectError.from(err) })
    }
  }

  async function begin(): Promise<void> {
    let dueAt = performance.now()
    while (!ending.signal.aborted) {
      const now = performance.now()
      dueAt = Math.max(dueAt, now - lateMs)
      for (; dueAt <= now; dueAt += 1000 / perSecond) {
        const running = one()
        open.add(running)
        void running.then(() => open.delete(running))
      }
      await sleep(tickMs)
    }
  }
  const beginning = begin()

  async function stop(): Promise<void> {
    ending.abort()
    await beginning
    await Promise.all(open)
  }
  return { outcome, startedAt, stop }
}

/** How many calls a second some callers get through that begin the next call when their last ends. */
export async function capacityOf(call: () => Promise<unknown>, ms: number): Promise<number> {
  const end = performance.now() + ms
  let count = 0
  async function caller(): Promise<void> {
    for (; performance.now() < end; count += 1) await call()
  }
  await Promise.all(Array.from({ length: 20 }, caller))
  return count / (ms / 1000)
}
