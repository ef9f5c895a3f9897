import { mock } from 'node:test'
import { type Test, test } from 'tap'
import { issuerKeys } from '../../../src/server/auth/issuer-keys.ts'
import { type Issuer, startIssuer } from '../../e2e/auth/issuer.ts'
import { until } from '../../help/until.ts'

const cooldownMs = 5000

/** The keys of `issuer` by a clock that the test moves. */
function keysOf(t: Test, issuer: Issuer) {
  const clock = { now: 0 }
  const options = { issuer: issuer.url, jwksUrl: '', cooldownMs, timeoutMs: 60_000 }
  const keys = issuerKeys(options, () => clock.now)
  t.teardown(() => keys.close())
  const find = async (kid: string): Promise<string> => {
    try {
      await keys.find({ alg: 'ES256', kid }, { payload: '', signature: '' })
      return 'found'
    } catch (err) {
      return (err as Error).message
    }
  }
  return { find, clock }
}

test('without any key the issuer is asked again, once for all that wait', async (t) => {
  const issuer = await startIssuer(t)
  const { find } = keysOf(t, issuer)
  const failed = `${issuer.url}/.well-known/openid-configuration answered 500`
  issuer.answer(500)
  t.same(await Promise.all(['first', 'other'].map(find)), [failed, failed])
  t.equal(issuer.calls(), 1)
  issuer.answer(200)
  t.equal(await find('first'), 'found')
})

test('of keys that cannot be read again, known ones go on and unknown ones cause no calls', async (t) => {
  const issuer = await startIssuer(t)
  const { find, clock } = keysOf(t, issuer)
  t.equal(await find('first'), 'found')
  await issuer.addKey('second')
  issuer.answer(500)
  clock.now = cooldownMs
  const calls = issuer.calls()
  const failed = 'Expected 200 OK from the JSON Web Key Set HTTP response'
  t.same(await Promise.all(['second', 'third'].map(find)), [failed, failed])
  issuer.answer(200)
  clock.now += cooldownMs - 1
  t.same([await find('second'), await find('first')], [failed, 'found'])
  t.equal(issuer.calls(), calls + 1)
  clock.now += 1
  t.equal(await find('second'), 'found')
})

test('the keys are renewed every ten minutes, whatever cools down', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const issuer = await startIssuer(t)
  const { find, clock } = keysOf(t, issuer)
  await find('first')
  clock.now = cooldownMs
  issuer.answer(500)
  await find('second')
  issuer.answer(200)
  await issuer.addKey('second')
  mock.timers.tick(600_000)
  await until('the keys to be renewed', async () => (await find('second')) === 'found')
})
