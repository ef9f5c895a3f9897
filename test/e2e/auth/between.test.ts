import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { test } from 'tap'
import { type RunningApp, startApp } from '../../help/app.ts'
import { certificates } from '../../help/certificates.ts'
import { startGateway } from '../../help/gateway.ts'
import { served, spanMemory } from '../../help/spans.ts'
import { until } from '../../help/until.ts'
import { callers } from '../orders/callers.ts'
import { keyFile } from './key-file.ts'

const order = { user_id: '1', product_id: '1', amount: 1 }

function createOrder(app: RunningApp, headers: Record<string, string> = {}) {
  return callers(app).gRPC?.('createOrder', order, headers)
}

async function createUser(url: string, headers: Record<string, string>): Promise<Response> {
  const body = JSON.stringify({ name: 'Ada', email: 'ada@example.com' })
  const json = { ...headers, 'content-type': 'application/json' }
  return fetch(`${url}/v1/users`, { method: 'POST', headers: json, body })
}

test('orders show users of another process their own key, or that of the caller', async (t) => {
  const keys = keyFile(t, {
    orders: ['ordersecret', 'users:read users:write'],
    other: ['othersecret', 'users:write'],
  })
  const auth = { API_KEYS_FILE: keys, ORDER_ENABLED: 'false' }
  const users = await startApp(t, { storage: 'sqlite', env: auth })
  const [known, other] = ['orders.ordersecret', 'other.othersecret']
  t.equal((await createUser(users.rest.url, { 'x-api-key': known })).status, 200)
  const file = join(t.testdirName, 'own')
  writeFileSync(file, other)
  const target = `direct:///127.0.0.1:${users.rpc.port}`
  const away = { USER_ENABLED: 'false', USER_TARGET: target }
  const memory = spanMemory()
  const [withKey, without, forwarding] = await Promise.all([
    startApp(t, {
      storage: 'sqlite',
      env: { ...away, USER_API_KEY_FILE: file },
      spans: memory.exporter,
    }),
    startApp(t, { storage: 'sqlite', env: away }),
    startApp(t, { storage: 'sqlite', env: { ...away, USER_FORWARD_CREDENTIALS: 'true' } }),
  ])
  const unavailable = { failed: 'unavailable', reason: 'USERS_UNAVAILABLE', metadata: {} }

  t.strictSame(await createOrder(without, { 'x-api-key': known }), unavailable)
  t.match(JSON.stringify(without.log()), /refuses the credentials of this process/)

  t.strictSame(await createOrder(withKey), unavailable, 'the key lacks a scope')
  t.match(JSON.stringify(withKey.log()), /refuses the credentials of this process.*users:read/)
  writeFileSync(file, `${known}\n`)
  const spans = await memory.of(
    () =>
      until('the new key', async () => {
        const outcome = await createOrder(withKey, { authorization: 'Bearer mine' })
        return outcome !== undefined && 'status' in outcome
      }),
    served(1),
  )
  t.notMatch(JSON.stringify([withKey.log(), spans.map(({ attributes }) => attributes)]), /secret/)

  t.match(await createOrder(forwarding, { 'x-api-key': known }), { status: 'created' })
  t.match(await createOrder(forwarding, { 'x-api-key': other }), {
    failed: 'permission_denied',
    reason: 'FORBIDDEN',
    metadata: { scope: 'users:read' },
  })
  const asked = await fetch(`${forwarding.rest.url}/v1/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(order),
  })
  t.equal(asked.headers.get('www-authenticate'), 'Bearer')
  t.match(await asked.json(), { code: 401, reason: 'UNAUTHORIZED' })
})

test('a gateway shows a service its certificate and its token, in place of those of callers', async (t) => {
  const authority = certificates(t)
  const server = authority.issue('server', 'DNS:localhost')
  const own = authority.issue('gateway')
  const secret = 'gatewaysecret'.repeat(4)
  const users = await startApp(t, {
    storage: 'sqlite',
    env: {
      AUTH_SECRET: secret,
      AUTH_ALGORITHMS: 'HS256',
      TLS_CERT_FILE: server.certFile,
      TLS_KEY_FILE: server.keyFile,
      TLS_CLIENT_CA_FILE: authority.caFile,
    },
  })
  const token = await new SignJWT({ sub: 'gateway', scope: 'users:read' })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret))
  const tokenFile = join(t.testdir({ token: `${token}\n` }), 'token')
  // Reflection, by which the gateway has its descriptors, asks for credentials, too.
  const { rest, log } = await startGateway(t, {
    target: `direct:///127.0.0.1:${users.rpc.port}`,
    proof: {
      tls: { caFile: authority.caFile, certFile: own.certFile, keyFile: own.keyFile },
      tlsServerName: 'localhost',
      credentials: { tokenFile },
    },
  })
  const caller = { authorization: 'Bearer mine' }
  const listed = await fetch(`${rest.url}/v1/users`, { headers: caller })
  t.equal(listed.status, 200)
  const absent = await fetch(`${rest.url}/v1/users/9`)
  t.match(await absent.json(), { code: 404, reason: 'USER_NOT_FOUND' })
  const refused = await createUser(rest.url, caller)
  t.match(await refused.json(), { code: 503, reason: 'REMOTE_UNAVAILABLE' })
  t.match(JSON.stringify(log()), /refuses the credentials of this process.*users:write/)
  t.notOk(JSON.stringify(log()).includes(token))
})
