// What the check of a caller adds to a call, in microseconds: `npm run bench:auth`. The interceptor
// runs alone around a handler that does nothing, so that the figure is not lost in the rest of a call.
import { createHash } from 'node:crypto'
import { createContextValues, type Interceptor } from '@connectrpc/connect'
import { SignJWT } from 'jose'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { parseApiKeys } from '../../src/server/auth/api-keys.ts'
import { authenticator } from '../../src/server/auth/authenticate.ts'
import { accessOf } from '../../src/server/auth/scopes.ts'
import { tokenCheck } from '../../src/server/auth/token.ts'
import { auth } from '../../src/server/interceptor/auth.ts'

type Next = Parameters<Interceptor>[0]
type Request = Parameters<Next>[0]

const rounds = 7
const calls = 100_000
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
const digest = createHash('sha256').update(secret).digest('hex')
const keys = parseApiKeys(`ada ${digest} users:read`)
const checked = auth({
  authenticate: authenticator({ tokens, keys: () => keys, peers: undefined }),
  access: accessOf(User.methods, []),
  audit: () => undefined,
})
const unchecked: Interceptor = (next) => (req) => next(req)

/** The handler's answer and the call are as far as the interceptor looks at them. */
const handler = (async () => ({ stream: false })) as unknown as Next
const requestWith = (headers: Record<string, string>) =>
  ({
    method: User.method.getUser,
    header: new Headers(headers),
    contextValues: createContextValues(),
  }) as unknown as Request

/** Microseconds of a call: the median of the rounds. */
async function microseconds(interceptor: Interceptor, headers: Record<string, string>) {
  const call = interceptor(handler)
  const found: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const begin = performance.now()
    for (let index = 0; index < calls; index += 1) await call(requestWith(headers))
    found.push(((performance.now() - begin) * 1000) / calls)
  }
  return found.toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN
}

const token = await new SignJWT({ sub: 'ada', scope: 'users:read' })
  .setProtectedHeader({ alg: 'HS256' })
  .sign(Buffer.from(secret))
const bearer = { authorization: `Bearer ${token}` }
const key = { 'x-api-key': `ada.${secret}` }

console.log('| caller | µs more than an unchecked call |\n| --- | --- |')
const without = {
  token: await microseconds(unchecked, bearer),
  key: await microseconds(unchecked, key),
}
const cost = {
  'a token that is known': (await microseconds(checked, bearer)) - without.token,
  'an API key': (await microseconds(checked, key)) - without.key,
}
for (const [caller, more] of Object.entries(cost)) console.log(`| ${caller} | ${more.toFixed(2)} |`)
tokens.close()
