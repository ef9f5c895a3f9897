import { createHash, hash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import type { JsonObject } from '@bufbuild/protobuf'
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { SignJWT } from 'jose'
import { type Test, test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'
import { ServerReflection } from '../../../src/gen/grpc/reflection/v1/reflection_pb.ts'
import { Health } from '../../../src/gen/health/v1/health_pb.ts'
import { type RunningApp, startApp } from '../../help/app.ts'
import { served, spanMemory } from '../../help/spans.ts'
import { until } from '../../help/until.ts'
import { mutualTls } from '../../help/certificates.ts'
import { callers, type Method } from '../callers.ts'
import { type Credentials, http1Wire, http2Wire } from '../wire.ts'
import { audience, type Issuer, startIssuer } from './issuer.ts'

type Sent = Record<string, string>
/** What a call comes to: OK, or the code and reason of its error. */
type Call = (headers: Sent) => Promise<string>

const ok = 'OK'
const unauthorized = 'unauthenticated UNAUTHORIZED'
const forbidden = 'permission_denied FORBIDDEN'
const unavailable = 'unavailable AUTH_UNAVAILABLE'
const byStatus: Record<number, string> = {
  200: ok,
  401: unauthorized,
  403: forbidden,
  503: unavailable,
}

/** A list of users and a stream of them in every protocol. */
function calls({ rest, rpc }: RunningApp): Record<string, Call> {
  const transports: Record<string, Transport> = {
    Connect: createConnectTransport({ baseUrl: rpc.url, httpVersion: '1.1' }),
    gRPC: createGrpcTransport({ baseUrl: rpc.url }),
    'gRPC-Web': createGrpcWebTransport({ baseUrl: rpc.url, httpVersion: '1.1' }),
  }
  const byRpc = Object.entries(transports).flatMap(([name, transport]) => {
    const users = createClient(User, transport)
    const list: Call = (headers) => outcome(() => users.listUsers({}, { headers }))
    const stream: Call = (headers) =>
      outcome(async () => {
        for await (const _ of users.exportUsers({}, { headers })) break
      })
    return [[name, list] as const, [`${name} stream`, stream] as const]
  })
  return {
    REST: byRest(`${rest.url}/v1/users`),
    'REST stream': byRest(`${rest.url}/v1/users:export`),
    ...Object.fromEntries(byRpc),
  }
}

/** A stream without a message would have no body, which the documents know nothing of. */
async function createUser({ rest }: RunningApp, headers: Sent): Promise<void> {
  const body = JSON.stringify({ name: 'Ada', email: 'ada@example.com' })
  const json = { ...headers, 'content-type': 'application/json' }
  await (await fetch(`${rest.url}/v1/users`, { method: 'POST', headers: json, body })).text()
}

async function outcome(call: () => Promise<unknown>): Promise<string> {
  try {
    await call()
    return ok
  } catch (err) {
    const error = ConnectError.from(err)
    const [info] = error.findDetails(ErrorInfoSchema)
    return `${Code[error.code].replace(/(?<!^)[A-Z]/g, '_$&').toLowerCase()} ${info?.reason}`
  }
}

function byRest(url: string): Call {
  return async function call(headers) {
    const response = await fetch(url, { headers })
    const text = await response.text()
    if (response.status === 200) return ok
    const { reason } = JSON.parse(text) as { reason: string }
    const found = byStatus[response.status] ?? `${response.status}`
    return found.endsWith(` ${reason}`) ? found : `${response.status} ${reason}`
  }
}

const bearer = (token: string): Sent => ({ authorization: `Bearer ${token}` })
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token's middle part changed after it was signed. */
function changed(token: string): string {
  const [head = '', payload = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  return [head, part({ ...claims, sub: 'eve' }), signature].join('.')
}

type Row = [title: string, headers: Sent, expected: string]

async function rows(issuer: Issuer): Promise<Row[]> {
  const now = Math.floor(Date.now() / 1000)
  const good = await issuer.token()
  const [head = '', payload = '', signature = ''] = good.split('.')
  const by = async (claims: Record<string, unknown>) => bearer(await issuer.token({ claims }))
  const secret = new TextEncoder().encode(JSON.stringify({ keys: [] }))
  const symmetric = await new SignJWT({ iss: issuer.url, aud: audience, exp: now + 60 })
    .setProtectedHeader({ alg: 'HS256', kid: 'first' })
    .sign(secret)
  await issuer.addKey('hidden', false)
  const unknownKey = await issuer.token({ header: { kid: 'hidden' } })
  return [
    ['a good token', bearer(good), ok],
    ['a scheme in other letters', { authorization: `bEARER ${good}` }, ok],
    ['scopes as a list', await by({ scope: undefined, scp: ['users:read'] }), ok],
    ['one of several audiences', await by({ aud: ['other', audience] }), ok],
    ['a clock that is 3 s behind', await by({ nbf: now + 3 }), ok],
    ['no credentials', {}, unauthorized],
    ['an empty header', { authorization: '' }, unauthorized],
    ['a scheme alone', { authorization: 'Bearer' }, unauthorized],
    ['an empty token', { authorization: 'Bearer ' }, unauthorized],
    ['two spaces', { authorization: `Bearer  ${good}` }, unauthorized],
    ['a token without a scheme', { authorization: good }, unauthorized],
    ['another scheme', { authorization: `Basic ${good}` }, unauthorized],
    ['a scheme with a comma', { authorization: `Bearer ${good}, Bearer ${good}` }, unauthorized],
    ['a token and more', { authorization: `Bearer ${good} ${good}` }, unauthorized],
    ['no token', bearer('abc'), unauthorized],
    ['dots alone', bearer('..'), unauthorized],
    ['two parts', bearer(`${head}.${payload}`), unauthorized],
    ['five parts, as an encrypted one', bearer(`${good}.a.b`), unauthorized],
    ['no signature', bearer(`${head}.${payload}.`), unauthorized],
    ['a cut signature', bearer(good.slice(0, -4)), unauthorized],
    [
      'a signature of another token',
      bearer(`${head}.${part({ sub: 'eve' })}.${signature}`),
      unauthorized,
    ],
    ['changed claims', bearer(changed(good)), unauthorized],
    ['alg none', bearer(`${part({ alg: 'none' })}.${payload}.`), unauthorized],
    [
      'alg None with a signature',
      bearer(`${part({ alg: 'None' })}.${payload}.${signature}`),
      unauthorized,
    ],
    ['a secret as the key', bearer(symmetric), unauthorized],
    ['no alg', bearer(`${part({ kid: 'first' })}.${payload}.${signature}`), unauthorized],
    [
      'another alg',
      bearer(`${part({ alg: 'RS256', kid: 'first' })}.${payload}.${signature}`),
      unauthorized,
    ],
    [
      'an unknown critical header',
      bearer(`${part({ alg: 'ES256', kid: 'first', crit: ['x'], x: 1 })}.${payload}.${signature}`),
      unauthorized,
    ],
    ['a header that is no JSON', bearer(`abc.${payload}.${signature}`), unauthorized],
    ['an unknown key', bearer(unknownKey), unauthorized],
    ['an expired token', await by({ exp: now - 60 }), unauthorized],
    ['no end', await by({ exp: undefined }), unauthorized],
    [
      'an end that is a text',
      bearer(await issuer.token({ claims: { exp: 'soon' } })),
      unauthorized,
    ],
    ['a token of the future', await by({ nbf: now + 60 }), unauthorized],
    ['another issuer', await by({ iss: 'https://id.example.com' }), unauthorized],
    ['the issuer with a slash', await by({ iss: `${issuer.url}/` }), unauthorized],
    ['no issuer', await by({ iss: undefined }), unauthorized],
    ['another audience', await by({ aud: 'orders' }), unauthorized],
    ['no audience', await by({ aud: undefined }), unauthorized],
    ['a huge token', bearer('a'.repeat(9000)), unauthorized],
    ['an API key where none are taken', { 'x-api-key': 'a.b' }, unauthorized],
    ['a token and an API key', { ...bearer(good), 'x-api-key': 'a.b' }, unauthorized],
    ['a token in a cookie', { cookie: `authorization=${good}` }, unauthorized],
    ['another scope', await by({ scope: 'users:write' }), forbidden],
    ['a longer scope', await by({ scope: 'users:read2 xusers:read' }), forbidden],
    ['a scope in other letters', await by({ scope: 'USERS:READ' }), forbidden],
    ['no scope', await by({ scope: undefined }), forbidden],
    [
      'a scope that is an object',
      bearer(await issuer.token({ claims: { scope: { a: 1 } } })),
      forbidden,
    ],
  ]
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
  const table = await rows(issuer)
  for (const [protocol, call] of Object.entries(calls(app)))
    for (const [title, headers, expected] of table)
      t.equal(await call(headers), expected, `${protocol}: ${title}`)
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

test('two Authorization headers are refused over both versions of HTTP', async (t) => {
  const issuer = await startIssuer(t)
  const { rest } = await startApp(t, { storage: 'sqlite', env: withIssuer(issuer) })
  const token = `Bearer ${await issuer.token()}`
  const status = await new Promise((resolve, reject) => {
    const headers = ['authorization', token, 'authorization', token, 'host', 'localhost']
    http
      .get(`${rest.url}/v1/users`, { headers }, (res) => resolve(res.resume().statusCode))
      .on('error', reject)
  })
  t.equal(status, 401)
})

test('health is open, reflection is for callers with credentials', async (t) => {
  const issuer = await startIssuer(t)
  const { rest, rpc } = await startApp(t, { storage: 'sqlite', env: withIssuer(issuer) })
  const transport = createGrpcTransport({ baseUrl: rpc.url })
  t.match(await createClient(Health, transport).check({}), { status: 1 })
  const services = (headers: Sent) =>
    outcome(async () => {
      const asked = { messageRequest: { case: 'listServices', value: '' } } as const
      const replies = createClient(ServerReflection, transport).serverReflectionInfo(
        (async function* once() {
          yield asked
        })(),
        { headers },
      )
      for await (const _ of replies) break
    })
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
  const { REST: call } = calls(app) as { REST: Call }
  t.equal(await call(bearer(await issuer.token())), ok)
  await issuer.addKey('second')
  const renewed = bearer(await issuer.token({ header: { kid: 'second' } }))
  t.equal(await call(renewed), ok)
  await issuer.addKey('third')
  const third = bearer(await issuer.token({ header: { kid: 'third' } }))
  const known = bearer(await issuer.token())
  await issuer.close()
  t.equal(await call(known), ok)
  t.equal(await call(renewed), ok)
  t.equal(await call(third), unavailable, 'not 401: nobody can say that the token is wrong')
})

test('a token is not taken while its issuer has never been reached', async (t) => {
  const issuer = await startIssuer(t)
  const app = await startApp(t, { storage: 'sqlite', env: withIssuer(issuer) })
  const token = bearer(await issuer.token())
  await issuer.close()
  for (const [protocol, call] of Object.entries(calls(app)))
    t.equal(await call(token), unavailable, protocol)
})

function keyFile(t: Test, keys: Record<string, [secret: string, scopes: string]>): string {
  const file = join(t.testdir({}), 'keys')
  const digest = (secret: string) => createHash('sha256').update(secret).digest('hex')
  const lines = Object.entries(keys).map(
    ([id, [secret, scopes]]) => `${id} ${digest(secret)} ${scopes}`,
  )
  writeFileSync(file, ['# comment', '', ...lines].join('\n'))
  return file
}

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
  for (const [protocol, call] of Object.entries(calls(app)))
    for (const [title, headers, expected] of table)
      t.equal(await call(headers), expected, `${protocol}: ${title}`)
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
  for (const [protocol, call] of Object.entries(calls(app))) {
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
  const { REST: call } = calls(app) as { REST: Call }
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
