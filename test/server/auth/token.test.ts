import type { ConnectError } from '@connectrpc/connect'
import { type Test, test } from 'tap'
import { tokenCheck } from '../../../src/server/auth/token.ts'
import { audience, type Issuer, startIssuer } from '../../e2e/auth/issuer.ts'

const misfit = 'the token is malformed, or its signature does not fit'

/** The check of tokens of `issuer`: gives their callers, or why they are refused. */
function checkOf(t: Test, issuer: Issuer) {
  const check = tokenCheck({
    issuer: issuer.url,
    audience,
    algorithms: ['ES256'],
    secret: '',
    jwksUrl: '',
    typ: '',
    defaultScopes: '',
    cacheMs: 0,
    cooldownMs: 3_600_000,
    timeoutMs: 60_000,
    toleranceSeconds: 5,
  })
  t.teardown(() => check.close())
  return async (token: string): Promise<string> => {
    try {
      return (await check.identify(token)).id
    } catch (err) {
      return (err as ConnectError).rawMessage
    }
  }
}

/** A token that does not say its key. */
const nameless = (issuer: Issuer, by: string, claims: Record<string, unknown> = {}) =>
  issuer.token({ by, claims })

test('a token without kid is taken by whichever key of its issuer has signed it', async (t) => {
  const issuer = await startIssuer(t)
  await issuer.addKey('second')
  await issuer.addKey('hidden', false)
  const check = checkOf(t, issuer)
  for (const by of ['first', 'second']) t.equal(await check(await nameless(issuer, by)), 'ada', by)
  t.equal(await check(await nameless(issuer, 'hidden')), misfit)
})

test('what else is wrong with a token without kid is told as with one key', async (t) => {
  const issuer = await startIssuer(t)
  await issuer.addKey('second')
  const check = checkOf(t, issuer)
  for (const by of ['first', 'second']) {
    t.equal(await check(await nameless(issuer, by, { exp: 1 })), 'the token has expired')
    t.match(await check(await nameless(issuer, by, { aud: 'orders' })), /^the token's aud is/)
    t.equal(
      await check(await nameless(issuer, by, { exp: undefined })),
      "the token's exp is missing",
    )
  }
})

test('no more than 16 keys are tried for a token without kid', async (t) => {
  const issuer = await startIssuer(t)
  for (let count = 2; count <= 17; count += 1) await issuer.addKey(`key ${count}`)
  const check = checkOf(t, issuer)
  t.equal(await check(await nameless(issuer, 'key 16')), 'ada')
  t.equal(await check(await nameless(issuer, 'key 17')), misfit)
  t.equal(await check(await issuer.token({ header: { kid: 'key 17' } })), 'ada')
})
