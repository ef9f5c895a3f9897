import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits for a state that no event announces. Throws an error that names `what` after `limitMs`, by
 * default more than a busy machine takes and less than tap waits.
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = 60_000,
): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await holds())) {
    if (performance.now() > end)
      throw new Error(`waited for ${limitMs / 1000} s in vain for ${what}`)
    await sleep(5)
  }
}
