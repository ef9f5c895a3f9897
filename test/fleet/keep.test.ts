import { test } from 'tap'
import { keep } from '../../src/fleet/keep.ts'
import { until } from '../help/until.ts'

/** Counts the tries of a loop whose attempts fail. */
function failing(signal: AbortSignal, isHeld: boolean) {
  const loop = { tries: 0 }
  void keep({
    signal,
    maxPauseMs: 10_000,
    attempt: async (held) => {
      loop.tries += 1
      if (isHeld) held()
      throw new Error('lost')
    },
    failed: () => undefined,
  })
  return loop
}

test('what is lost each time as soon as it is had is tried as rarely as what is never had', async (t) => {
  t.intercept(Math, 'random', { value: () => 1 })
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const [never, lost] = [failing(stop.signal, false), failing(stop.signal, true)]
  await until('four tries', () => never.tries >= 4)
  t.ok(lost.tries <= never.tries + 1, `${lost.tries} tries`)
})
