import { test } from 'tap'
import { breaker } from '../../src/client/limit/breaker.ts'
import { budget } from '../../src/client/limit/budget.ts'
import { recentTimes } from '../../src/client/limit/recent-times.ts'

test('a budget pays for as many further tries at once as its size, and for a tenth of successes', async (t) => {
  const tokens = budget(3)
  t.strictSame(
    [1, 2, 3, 4].map(() => tokens.take()),
    [true, true, true, false],
  )
  for (let n = 0; n < 9; n += 1) tokens.succeeded()
  t.equal(tokens.take(), false)
  tokens.succeeded()
  tokens.succeeded()
  t.equal(tokens.take(), true)
  for (let n = 0; n < 1000; n += 1) tokens.succeeded()
  t.equal(tokens.tokens, 3, 'it does not grow beyond its size')
})

const settings = { enabled: true, k: 1.67, windowMs: 10_000, minimum: 20 }

function subject() {
  const state = { now: 5000, random: 0 }
  const subject = breaker(
    settings,
    () => state.now,
    () => state.random,
  )
  const ended = (count: number, ok: boolean) => {
    for (let n = 0; n < count; n += 1) subject.ended(ok)
  }
  return { state, ended, allows: () => subject.allows() }
}

test('a breaker lets all calls through while there are few', async (t) => {
  const { ended, allows } = subject()
  ended(19, false)
  t.equal(allows(), true)
  ended(1, false)
  allows()
  t.equal(allows(), false, 'the one before was the probe')
})

test('a breaker drops calls by the share of failures', async (t) => {
  const { state, ended, allows } = subject()
  ended(50, true)
  ended(50, false)
  allows()
  // (100 - 1.67 * 50) / 101 = 0.163…
  state.random = 0.16
  t.equal(allows(), false)
  state.random = 0.17
  t.equal(allows(), true)
})

test('a breaker lets successes of 60 % through', async (t) => {
  const { ended, allows } = subject()
  ended(60, true)
  ended(40, false)
  t.ok([1, 2, 3].every(() => allows()))
})

test('a breaker lets one call a second through whatever happens', async (t) => {
  const { state, ended, allows } = subject()
  ended(100, false)
  t.strictSame([allows(), allows()], [true, false])
  state.now += 999
  t.equal(allows(), false)
  state.now += 1
  t.strictSame([allows(), allows()], [true, false])
})

test('a breaker forgets what has left the window', async (t) => {
  const { state, ended, allows } = subject()
  ended(100, false)
  allows()
  state.now += 9000
  allows()
  t.equal(allows(), false)
  state.now += 1251
  t.ok([1, 2, 3].every(() => allows()))
  ended(100, false)
  allows()
  state.now += 1_000_000
  t.ok(
    [1, 2, 3].every(() => allows()),
    'after a long silence, too',
  )
})

test('the quantile of recent times is right within a tenth', async (t) => {
  let now = 0
  const times = recentTimes(() => now)
  t.equal(times.quantile(0.95), undefined, 'nothing is known at first')
  for (let ms = 1; ms <= 100; ms += 1) times.add(ms)
  const p95 = times.quantile(0.95) ?? 0
  t.ok(p95 >= 95 && p95 <= 105, `${p95}`)
  now = 31_000
  t.ok(times.quantile(0.95), 'the last half of a minute counts')
  now = 95_000
  t.equal(times.quantile(0.95), undefined, 'older ones do not')
})
