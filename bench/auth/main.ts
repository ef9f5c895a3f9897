// What the check of a caller adds to a call, in microseconds of CPU: `npm run bench:auth`. The interceptor
// runs alone around a handler that does nothing, so that the figure is not lost in the rest of a call.
// The second table has what a stranger can time: it must not tell which ids there are, nor how much of a
// secret is right.
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { DescMethod } from '@bufbuild/protobuf'
import { createContextValues, type Interceptor } from '@connectrpc/connect'
import { SignJWT } from 'jose'
import { pino } from 'pino'
import { openAuth } from '../../src/app/auth.ts'
import { openQuota } from '../../src/app/limit/quota.ts'
import { loadConf } from '../../src/conf/conf.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { Health } from '../../src/gen/health/v1/health_pb.ts'
import { identityOfKey, parseApiKeys } from '../../src/server/auth/api-keys.ts'
import { authenticator } from '../../src/server/auth/authenticate.ts'
import { accessOf } from '../../src/server/auth/scopes.ts'
import { tokenCheck } from '../../src/server/auth/token.ts'
import { auth } from '../../src/server/interceptor/auth.ts'

type Next = Parameters<Interceptor>[0]
type Request = Parameters<Next>[0]
type Sent = Record<string, string>

const rounds = 15
const calls = 20_000
const secret = 'a-secret-of-thirty-two-characters'

const tokens = tokenCheck({
  issuer: '',
  audience: '',
  algorithms: ['HS256'],
  secret,
  typ: '',
  defaultScopes: '',
  cacheMs: 3_600_000,
  toleranceSeconds: 5,
  jwksUrl: '',
  cooldownMs: 5000,
  timeoutMs: 3000,
})
const keys = parseApiKeys(`ada ${hash('sha256', secret)} users:read`)
const checked = auth({
  authenticate: authenticator({ tokens, keys: () => keys, peers: undefined }),
  access: accessOf(User.methods, ['/grpc.health.v1.Health/*']),
  audit: () => undefined,
})

/** The handler's answer and the call are as far as the interceptor looks at them. */
const handler = (async () => ({ stream: false })) as unknown as Next
const requestWith = (headers: Sent, method: DescMethod) =>
  ({
    method,
    header: new Headers(headers),
    contextValues: createContextValues(),
  }) as unknown as Request

/** Microseconds of a call by the round that was disturbed least. */
async function microseconds(call: () => unknown): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage()
    for (let index = 0; index < calls; index += 1) await call()
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / calls)
  }
  return least
}

function through(list: readonly Interceptor[], headers: Sent, method: DescMethod) {
  const call = list.reduceRight((next, interceptor) => interceptor(next), handler)
  return microseconds(() => call(requestWith(headers, method)))
}

/** What `list` adds to a call that nobody checks. */
async function added(list: readonly Interceptor[], headers: Sent, method: DescMethod) {
  return (await through(list, headers, method)) - (await through([], headers, method))
}

/** The interceptors of auth and quotas with the configuration as it is delivered. */
async function asConfigured(): Promise<Interceptor[]> {
  const file = new URL('../../configs/config.yaml', import.meta.url)
  const conf = loadConf({ text: readFileSync(file, 'utf8'), origin: file.pathname }, {})
  const log = pino({ enabled: false })
  const opened = await openAuth(conf.auth, [], log)
  const watch = { log, redis: undefined, quotaCalls: () => undefined }
  const quota = await openQuota({ conf: () => conf.limits.quota, watch })
  return [...(opened ? [auth(opened)] : []), ...(quota ? [quota.interceptor] : [])]
}

function refused(key: string): void {
  try {
    identityOfKey(keys, key)
    throw new TypeError('the key is taken')
  } catch (err) {
    if (err instanceof TypeError) throw err
  }
}

function table(title: string, rows: Record<string, number>): void {
  console.log(`| ${title} |\n| --- | --- |`)
  for (const [row, value] of Object.entries(rows)) console.log(`| ${row} | ${value.toFixed(2)} |`)
}

const token = await new SignJWT({ sub: 'ada', scope: 'users:read' })
  .setProtectedHeader({ alg: 'HS256' })
  .sign(Buffer.from(secret))
const bearer = { authorization: `Bearer ${token}` }
const key = { 'x-api-key': `ada.${secret}` }
const { getUser } = User.method
const { check } = Health.method

table('caller | µs more than an unchecked call', {
  'a token that is known': await added([checked], bearer, getUser),
  'an API key': await added([checked], key, getUser),
  'anybody, of a method that is open': await added([checked], {}, check),
  'anybody, while auth and quotas are off': await added(await asConfigured(), {}, getUser),
})
console.log()
table('a key that is refused | µs', {
  'its first character is wrong': await microseconds(() => refused(`ada.x${secret.slice(1)}`)),
  'its last character is wrong': await microseconds(() => refused(`ada.${secret.slice(0, -1)}x`)),
  'there is no such id': await microseconds(() => refused(`bob.${secret}`)),
})
tokens.close()
