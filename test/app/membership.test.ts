import { test, type Test } from 'tap'
import { membership } from '../../src/app/fleet/membership.ts'
import { readiness } from '../../src/server/health/readiness.ts'
import { until } from '../help/until.ts'

const instance = { id: 'a', name: 'user.service', version: '', metadata: {}, endpoints: [] }

function member(t: Test, { unreadyAfterMs = 0, timeoutMs = 60_000 } = {}) {
  const calls: string[] = []
  const withdrawn = Promise.withResolvers<void>()
  withdrawn.resolve()
  let answer = withdrawn.promise
  const ready = readiness({ database: '' })
  const registrar = {
    announce: ({ id }: { id: string }) => void calls.push(`announce ${id}`),
    async withdraw() {
      calls.push('withdraw')
      await answer
    },
  }
  const made = membership({ registrar, ready, unreadyAfterMs, timeoutMs })
  t.teardown(made.leave)
  return {
    ...made,
    ready,
    calls,
    /** The registry does not answer a withdrawal until the function that this gives is called. */
    hang: (): (() => void) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      answer = promise
      return resolve
    },
    called: (...wanted: string[]) =>
      until(`calls ${wanted.join()}`, () => calls.join() === wanted.join()),
  }
}

test('an instance is announced when it is ready, and withdrawn while it is not', async (t) => {
  const { ready, calls, called, join, leave } = member(t)
  ready.set('database', 'away')
  join(instance)
  await new Promise(setImmediate)
  t.strictSame(calls, [])
  ready.set('database', '')
  await called('announce a')
  ready.set('database', 'away')
  await called('announce a', 'withdraw')
  ready.set('database', '')
  await called('announce a', 'withdraw', 'announce a')
  await leave()
  t.strictSame(calls.at(-1), 'withdraw')
  ready.set('database', 'away')
  ready.set('database', '')
  t.equal(calls.length, 4)
})

test('a short loss of readiness changes nothing', async (t) => {
  const { ready, called, join, calls } = member(t, { unreadyAfterMs: 3_600_000 })
  join(instance)
  await called('announce a')
  ready.set('database', 'away')
  ready.set('database', '')
  await new Promise(setImmediate)
  t.notMatch(calls.join(), /withdraw/)
})

test('an instance is announced again only when its withdrawal is done', async (t) => {
  const { ready, called, calls, join, hang } = member(t)
  join(instance)
  await called('announce a')
  const answer = hang()
  ready.set('database', 'away')
  await called('announce a', 'withdraw')
  ready.set('database', '')
  await new Promise(setImmediate)
  t.equal(calls.length, 2)
  answer()
  await called('announce a', 'withdraw', 'announce a')
})

test('the stop does not wait for a registry that does not answer', async (t) => {
  const { called, join, leave, hang } = member(t, { timeoutMs: 1 })
  join(instance)
  await called('announce a')
  t.teardown(hang())
  await leave()
})
