import { setTimeout as sleep } from 'node:timers/promises'

const firstPauseMs = 250
/** What was lost sooner is a failure as any other, or one that comes each time would end all pauses. */
const keptMs = 1_000

interface Keeping {
  /** Ends the loop. */
  signal: AbortSignal
  /** Upper bound of the pause between two tries. */
  maxPauseMs: number
  /** Gets and holds something until it is lost, which it throws. Calls `held` when it has it. */
  attempt: (held: () => void) => Promise<unknown>
  failed: (err: unknown) => void
}

/**
 * Tries until the signal aborts. The pause after a failure is a random part of a limit that doubles
 * with each try (full jitter), so that a fleet does not return to its registry in one moment.
 */
export async function keep({ signal, maxPauseMs, attempt, failed }: Keeping): Promise<void> {
  let tries = 0
  while (!signal.aborted) {
    let heldAt = Infinity
    try {
      await attempt(() => {
        heldAt = Math.min(heldAt, performance.now())
      })
    } catch (err) {
      if (!signal.aborted) failed(err)
    }
    if (performance.now() - heldAt > keptMs) tries = 0
    await pause(Math.random() * Math.min(maxPauseMs, firstPauseMs * 2 ** tries), signal)
    tries += 1
  }
}

/** Resolves after `ms`, or when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  else signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}
