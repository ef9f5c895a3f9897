import { hash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import http, { type IncomingMessage } from 'node:http'
import type { JsonObject } from '@bufbuild/protobuf'
import { createClient, type Transport } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { SignJWT } from 'jose'
import { type Test, test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { Order } from '../../../src/gen/api/order/v1/order_pb.ts'
import { ServerReflection } from '../../../src/gen/grpc/reflection/v1/reflection_pb.ts'
import { Health } from '../../../src/gen/health/v1/health_pb.ts'
import { type RunningApp, startApp } from '../../help/app.ts'
import { samplesOf } from '../../help/exposition.ts'
import { startGateway } from '../../help/gateway.ts'
import { served, spanMemory } from '../../help/spans.ts'
import { until } from '../../help/until.ts'
import { mutualTls } from '../../help/certificates.ts'
import { callers, type Method } from '../callers.ts'
import { h2Client } from '../h2.ts'
import { type Credentials, http1Wire, http2Wire } from '../wire.ts'
import {
  type Call,
  forbidden,
  ok,
  outcome,
  readCalls,
  type Sent,
  unauthorized,
  unavailable,
  writeCalls,
} from './calls.ts'
import { keyFile } from './key-file.ts'
import { audience, type Issuer, startIssuer } from './issuer.ts'
import { bearer, type Row, rows } from './rows.ts'

/** A call of each way with the credentials of each row. */
async function runRows(t: Test, calls: Record<string, Call>, table: readonly Row[]): Promise<void> {
  for (const [title, headers, expected] of table) {
    const ways = Object.entries(calls)
    const found = await Promise.all(ways.map(async ([way, call]) => [way, await call(headers)]))
    t.same(
      found.filter(([, each]) => each !== expected),
      [],
      `${title}: ${expected}, by ${ways.length} ways`,
    )
  }
}

async function createUser({ rest }: RunningApp, headers: Sent): Promise<void> {
  const body = JSON.stringify({ name: 'Ada', email: 'ada@example.com' })
  const json = { ...headers, 'content-type': 'application/json' }
  await (await fetch(`${rest.url}/v1/users`, { method: 'POST', headers: json, body })).text()
}

const withIssuer = ({ url }: Issuer) => ({
  AUTH_ISSUER: url,
  AUTH_AUDIENCE: audience,
  AUTH_ALGORITHMS: 'RS256,ES256,EdDSA',
})

test('callers are let in and refused alike in every protocol', async (t) => {
  const issuer = await startIssuer(t)
  const app = await startApp(t, {
    storage: 'sqlite',
    env: withIssuer(issuer),
    configure: ({ auth }) => {
      if (auth.jwt.jwksCooldown) auth.jwt.jwksCooldown.seconds = 3600n
    },
  })
  await createUser(app, bearer(await issuer.token()))
  await issuer.addKey('hidden', false)
  const reads = await rows(issuer, 'users:read', 'users:write')
  await runRows(t, readCalls(app), reads)
  await runRows(t, writeCalls(app), await rows(issuer, 'users:write', 'users:read'))
  t.ok(reads.filter(([, , expected]) => expected !== ok).length >= 40)
  t.equal(issuer.asked(), 1, 'the keys are not asked for by each unknown one')
})

test('a refusal has the challenge of RFC 6750, and nothing of the token', async (t) => {
  const issuer = await startIssuer(t)
  const { rest, log } = await startApp(t, { storage: 'sqlite', env: withIssuer(issuer) })
  const get = (headers: Sent) => fetch(`${rest.url}/v1/users`, { headers })
  t.equal((await get({})).headers.get('www-authenticate'), 'Bearer')
  const wrong = await get(bearer('secretsecret'))
  t.equal(wrong.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
  t.notMatch(await wrong.text(), /secretsecret/)
  const lacking = await get(bearer(await issuer.token({ claims: { scope: 'a' } })))
  t.equal(
    lacking.headers.get('www-authenticate'),
    'Bearer error="insufficient_scope", scope="users:read"',
  )
  t.match(await lacking.json(), {
    code: 403,
    reason: 'FORBIDDEN',
    metadata: { scope: 'users:read' },
  })
  t.notMatch(JSON.stringify(log()), /secretsecret/)
})

test('credentials that come twice are refused over both versions of HTTP, on both ports', async (t) => {
  const issuer = await startIssuer(t)
  const { rest, rpc } = await startApp(t, { storage: 'sqlite', env: withIssuer(issuer) })
  const token = `Bearer ${await issuer.token()}`
  const body = '{}'
  const list = { ':path': '/v1/users', ':method': 'GET' }
  const call = {
    ':path': '/api.user.v1.User/ListUsers',
    ':method': 'POST',
    'content-type': 'application/json',
  }
  for (const twice of [{ Authorization: [token, token] }, { 'x-api-key': ['a.b', 'a.b'] }]) {
    const byRest = await h2Client(t, rest.url)({ ...list, ...twice })
    const byRpc = await h2Client(t, rpc.url)({ ...call, ...twice }, body)
    const http1 = async (url: string) => (await http1Twice(url, twice)).statusCode
    const paths = [`${rest.url}/v1/users`, `${rest.url}/v1/users:export`]
    const [lines, stream] = await Promise.all(paths.map(http1))
    t.same([byRest.status, byRpc.status, lines, stream], [401, 401, 401, 401])
  }
})

function http1Twice(url: string, headers: http.OutgoingHttpHeaders): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const raw = Object.entries(headers).flatMap(([name, values]) =>
    [values ?? []].flat().flatMap((value) => [name, String(value)]),
  )
  http
    .get(url, { headers: ['host', 'localhost', ...raw] }, (res) => resolve(res.resume()))
    .on('error', reject)
  return promise
}

/** Asks which services there are. */
async function reflected(transport: Transport, headers: Sent): Promise<void> {
  const asked = async function* () {
    yield { messageRequest: { case: 'listServices', value: '' } } as const
  }
  const reflection = createClient(ServerReflection, transport)
  for await (const _ of reflection.serverReflectionInfo(asked(), { headers })) break
}

test('health is open, reflection is for callers with credentials', async (t) => {
  const issuer = await startIssuer(t)
  const { rest, rpc } = await startApp(t, { storage: 'sqlite', env: withIssuer(issuer) })
  const transport = createGrpcTransport({ baseUrl: rpc.url })
  t.match(await createClient(Health, transport).check({}), { status: 1 })
  const services = (headers: Sent) => outcome(() => reflected(transport, headers))
  t.equal(await services({}), unauthorized)
  t.equal(await services(bearer(await issuer.token())), ok)
  t.equal((await fetch(`${rest.url}/healthz`)).status, 200)
})

test('a new key is taken after the cooldown, and known keys go on without their issuer', async (t) => {
  const issuer = await startIssuer(t)
  const app = await startApp(t, {
    storage: 'sqlite',
    env: { ...withIssuer(issuer), AUTH_CACHE: '0s' },
    configure: ({ auth }) => {
      if (auth.jwt.jwksCooldown) auth.jwt.jwksCooldown.seconds = 0n
    },
  })
  const { REST: call } = readCalls(app) as { REST: Call }
  await createUser(app, bearer(await issuer.token()))
  await issuer.addKey('second')
  const renewed = bearer(await issuer.token({ header: { kid: 'second' } }))
  t.equal(await call(renewed), ok)
  await issuer.addKey('third')
  const third = bearer(await issuer.token({ header: { kid: 'third' } }))
  const known = bearer(await issuer.token())
  await issuer.close()
  const away: Row[] = [
    ['a known key', known, ok],
    ['a key that was known for a shorter time', renewed, ok],
    ['an unknown key, of which nobody can say that it is wrong', third, unavailable],
  ]
  await runRows(t, { ...readCalls(app), ...writeCalls(app) }, away)
  await issuer.listen()
  await runRows(t, { ...readCalls(app), ...writeCalls(app) }, [['the same later', third, ok]])
})

test('no token is taken until its issuer has been reached, and then it is', async (t) => {
  const issuer = await startIssuer(t)
  const token = bearer(await issuer.token())
  await issuer.close()
  const env = withIssuer(issuer)
  const app = await startApp(t, { storage: 'sqlite', measured: true, env })
  const ages = async () => (await samplesOf(app.metrics, 'auth_keys_age_seconds')).length
  const all = { ...readCalls(app), ...writeCalls(app) }
  await runRows(t, all, [['its issuer is away', token, unavailable]])
  t.equal(await ages(), 0, 'keys that nobody has have no age')
  await issuer.listen()
  await createUser(app, token)
  await runRows(t, all, [['its issuer is there', token, ok]])
  t.equal(await ages(), 1)
})

test('a gateway asks its callers, or leaves that to the process behind it', async (t) => {
  const secrets = {
    reader: randomBytes(32).toString('hex'),
    writer: randomBytes(32).toString('hex'),
  }
  const file = keyFile(t, {
    reader: [secrets.reader, 'users:read'],
    writer: [secrets.writer, 'users:write'],
  })
  const env = { API_KEYS_FILE: file }
  const users = await startApp(t, {
    storage: 'sqlite',
    env,
    configure: ({ auth }) => void (auth.open += ',/grpc.reflection.v1.ServerReflection/*'),
  })
  const reader = { 'x-api-key': `reader.${secrets.reader}` }
  const writer = { 'x-api-key': `writer.${secrets.writer}` }
  await createUser(users, writer)
  const target = `http://127.0.0.1:${users.rpc.port}`
  const table = (good: Sent, lacking: Sent): Row[] => [
    ['a good key', good, ok],
    ['a key without the scope', lacking, forbidden],
    ['an unknown key', { 'x-api-key': 'reader.a' }, unauthorized],
    ['no key', {}, unauthorized],
  ]
  for (const asking of [env, {}]) {
    const gateway = await startGateway(t, { target, env: asking })
    const reads = readCalls(gateway)
    // The headers of a watch do not wait for a process elsewhere; its refusal comes as a record.
    const ways = Object.entries(reads).filter(([way]) => asking === env || !/REST Watch/.test(way))
    await runRows(t, Object.fromEntries(ways), table(reader, writer))
    await runRows(t, writeCalls(gateway), table(writer, reader))
    const refused = await fetch(`${gateway.rest.url}/v1/users`)
    t.equal(refused.headers.get('www-authenticate'), 'Bearer')
  }
})

test('API keys let their callers in with the scopes of their line', async (t) => {
  const [reader, writer] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')]
  const file = keyFile(t, { reader: [reader, 'users:read'], writer: [writer, 'users:write'] })
  const app = await startApp(t, { storage: 'sqlite', env: { API_KEYS_FILE: file } })
  await createUser(app, { 'x-api-key': `writer.${writer}` })
  const table: Row[] = [
    ['a good key', { 'x-api-key': `reader.${reader}` }, ok],
    ['a key without the scope', { 'x-api-key': `writer.${writer}` }, forbidden],
    ['the secret of another', { 'x-api-key': `reader.${writer}` }, unauthorized],
    ['an unknown id', { 'x-api-key': `nobody.${reader}` }, unauthorized],
    ['a secret alone', { 'x-api-key': reader }, unauthorized],
    ['the digest as the secret', { 'x-api-key': `reader.${hash('sha256', reader)}` }, unauthorized],
    ['an empty secret', { 'x-api-key': 'reader.' }, unauthorized],
    ['no key', {}, unauthorized],
    ['a token where none are taken', bearer('a.b.c'), unauthorized],
  ]
  await runRows(t, readCalls(app), table)
})

test('a certificate lets its owner in by its URI, in every protocol and version of HTTP', async (t) => {
  const { env, client, other } = mutualTls(t, 'URI:spiffe://example.org/ns/shop/sa/orders')
  const app = await startApp(t, {
    storage: 'sqlite',
    env,
    configure: ({ auth }) => {
      auth.mtls.principals = { 'spiffe://example.org/ns/shop/sa/orders': 'users:read' }
    },
  })
  const outcomes = async (credentials: Credentials, method: Method, request: JsonObject) => {
    const wires = [http1Wire(credentials), http2Wire(t, credentials)]
    const calls = wires.flatMap((wire) => Object.values(callers(app, wire)))
    const found = await Promise.all(calls.map((call) => call(method, request)))
    return [...new Set(found.map((each) => ('reason' in each ? each.reason : ok)))]
  }
  t.same(await outcomes(client, 'listUsers', {}), [ok])
  t.same(await outcomes(client, 'deleteUser', { id: '1' }), ['FORBIDDEN'])
  t.same(await outcomes(other, 'listUsers', {}), ['UNAUTHORIZED'])
})

test('the documents name the credentials that the service asks for', async (t) => {
  const issuer = await startIssuer(t)
  const { rest } = await startApp(t, { storage: 'sqlite', env: withIssuer(issuer) })
  const document = (await (await fetch(`${rest.url}/openapi.json`)).json()) as object
  t.match(document, {
    security: [{ token: [] }],
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
  })
})

test('a write has a line with its caller, operation and outcome, a read has none', async (t) => {
  const issuer = await startIssuer(t)
  const { rest, log } = await startApp(t, { storage: 'sqlite', env: withIssuer(issuer) })
  const token = bearer(await issuer.token())
  const reader = bearer(await issuer.token({ claims: { scope: 'users:read', sub: 'bob' } }))
  const create = (headers: Sent) =>
    fetch(`${rest.url}/v1/users`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Grace', email: 'grace@example.com' }),
    })
  for (const headers of [token, token, reader, {}]) await create(headers)
  await fetch(`${rest.url}/v1/users`, { headers: token })
  const lines = log().filter(({ msg }) => msg === 'audit')
  const operation = '/api.user.v1.User/CreateUser'
  t.match(
    lines.map(({ caller, outcome, operation: called }) => [called, caller, outcome]),
    [
      [operation, 'ada', 'OK'],
      [operation, 'ada', 'USER_ALREADY_EXISTS'],
      [operation, 'bob', 'FORBIDDEN'],
      [operation, '', 'UNAUTHORIZED'],
    ],
  )
  t.notMatch(JSON.stringify(lines), /grace/i)
})

test('a stream that writes has its line at its end, reflection has none', async (t) => {
  const secret = randomBytes(32).toString('hex')
  const file = keyFile(t, { writer: [secret, 'users:write orders:write'] })
  const { rpc, log } = await startApp(t, {
    storage: 'sqlite',
    env: { API_KEYS_FILE: file },
    configure: ({ auth }) => void (auth.open += ',/api.user.v1.User/DeleteUser'),
  })
  const transport = createGrpcTransport({ baseUrl: rpc.url })
  const users = createClient(User, transport)
  const headers = { 'x-api-key': `writer.${secret}` }
  const changes = async function* () {
    yield { requestId: 'a', change: { case: 'delete', value: 5n } } as const
  }
  const nobody = async function* (): AsyncGenerator<never> {}
  for await (const _ of users.syncUsers(changes(), { headers }));
  await users.importUsers(nobody(), { headers })
  await outcome(() => users.deleteUser({ id: 7n }))
  await createClient(Order, transport)
    .cancelOrder({ orderId: 9n }, { headers })
    .catch(() => null)
  t.equal(await outcome(() => reflected(transport, headers)), ok)
  const lines = log().filter(({ kind }) => kind === 'audit')
  t.same(
    lines.map((each) => [each.operation, each.caller, each.outcome].join(' ')),
    [
      '/api.user.v1.User/SyncUsers writer OK',
      '/api.user.v1.User/ImportUsers writer OK',
      '/api.user.v1.User/DeleteUser  USER_NOT_FOUND',
      '/api.order.v1.Order/CancelOrder writer ORDER_NOT_FOUND',
    ],
  )
})

test('an idempotency key is one of its caller', async (t) => {
  const [ada, bob] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')]
  const scopes = 'users:write orders:write'
  const file = keyFile(t, { ada: [ada, scopes], bob: [bob, scopes] })
  const app = await startApp(t, { storage: 'sqlite', env: { API_KEYS_FILE: file } })
  await createUser(app, { 'x-api-key': `ada.${ada}` })
  const orders = createClient(Order, createGrpcTransport({ baseUrl: app.rpc.url }))
  const order = async (key: string, amount: number) => {
    const headers = { 'x-api-key': key, 'idempotency-key': 'k' }
    return (await orders.createOrder({ userId: 1n, productId: 1n, amount }, { headers })).orderId
  }
  t.equal(await order(`ada.${ada}`, 1), 1n)
  t.equal(await order(`bob.${bob}`, 1), 2n, 'he does not get the order of ada')
  t.equal(await order(`ada.${ada}`, 1), 1n)
  t.match(await outcome(() => order(`bob.${bob}`, 2)), /IDEMPOTENCY_KEY_REUSED/)
})

test('tokens by a shared secret are taken as the JWT middleware of Kratos signs them', async (t) => {
  const secret = 'a secret of thirty-two characters'
  const env = {
    AUTH_SECRET: secret,
    AUTH_ALGORITHMS: 'HS256',
    AUTH_DEFAULT_SCOPES: 'users:read users:write',
  }
  const app = await startApp(t, { storage: 'sqlite', env })
  const signed = (key: string) =>
    new SignJWT({}).setProtectedHeader({ alg: 'HS256', typ: 'JWT' }).sign(Buffer.from(key))
  await createUser(app, bearer(await signed(secret)))
  for (const [protocol, call] of Object.entries(readCalls(app))) {
    t.equal(await call(bearer(await signed(secret))), ok, protocol)
    t.equal(await call(bearer(await signed(`${secret}.`))), unauthorized, protocol)
  }
})

test('spans name the caller only where personal data is allowed', async (t) => {
  const issuer = await startIssuer(t)
  const token = bearer(await issuer.token())
  for (const personal of [true, false]) {
    const memory = spanMemory()
    const { rest } = await startApp(t, {
      storage: 'sqlite',
      spans: memory.exporter,
      env: withIssuer(issuer),
      configure: ({ tracing }) => void (tracing.personalData = personal),
    })
    const call = () => fetch(`${rest.url}/v1/users`, { headers: token })
    const spans = await memory.of(call, served(1))
    const ids = spans.flatMap(({ attributes }) => attributes['enduser.id'] ?? [])
    t.same(ids, personal ? ['ada'] : [])
    t.notOk(JSON.stringify(spans.map(({ attributes }) => attributes)).includes('Bearer'))
  }
})

test('pages of allowed origins may send a token and read the challenge', async (t) => {
  const issuer = await startIssuer(t)
  const origin = 'https://shop.example.com'
  const env = { ...withIssuer(issuer), CORS_ORIGINS: origin }
  const { rest } = await startApp(t, { storage: 'sqlite', env })
  const preflight = await fetch(`${rest.url}/v1/users`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'authorization',
    },
  })
  t.match(preflight.headers.get('access-control-allow-headers'), /authorization/i)
  const refused = await fetch(`${rest.url}/v1/users`, { headers: { origin } })
  t.equal(refused.status, 401)
  t.match(refused.headers.get('access-control-expose-headers'), /www-authenticate/i)
})

test('the file of keys is read again, and one with a mistake changes nothing', async (t) => {
  const file = keyFile(t, { ada: ['first', 'users:read'] })
  const app = await startApp(t, { storage: 'sqlite', env: { API_KEYS_FILE: file } })
  const { REST: call } = readCalls(app) as { REST: Call }
  const first = { 'x-api-key': 'ada.first' }
  const second = { 'x-api-key': 'ada.second' }
  t.equal(await call(second), unauthorized)
  writeFileSync(file, 'ada second users:read')
  await until('the mistake to be told', async () => {
    t.equal(await call(first), ok)
    return app.log().some(({ msg }) => msg.includes('API keys cannot be used'))
  })
  keyFile(t, { ada: ['second', 'users:read'] })
  await until('the new key', async () => (await call(second)) === ok)
  t.equal(await call(first), unauthorized)
})
