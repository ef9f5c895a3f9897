import { setImmediate as others } from 'node:timers/promises'
import { mock } from 'node:test'
import { randomFrom } from './random.ts'

/**
 * Stops the clock and the global timers of this process, and chance, until it is disposed of. `pass` lets
 * so many milliseconds go by, one after the other, each with all that follows from it.
 */
export function virtualTime() {
  mock.method(Math, 'random', randomFrom(7))
  let now = performance.now()
  mock.method(performance, 'now', () => now)
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })

  async function pass(ms: number): Promise<void> {
    for (const end = now + ms; now < end;) {
      now += 1
      mock.timers.tick(1)
      await others()
    }
  }
  return {
    now: () => now,
    pass,
    sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
    [Symbol.dispose]: () => mock.reset(),
  }
}
