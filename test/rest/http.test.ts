import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { create } from '@bufbuild/protobuf'
import { DurationSchema } from '@bufbuild/protobuf/wkt'
import {
  Code,
  ConnectError,
  createContextValues,
  decodeBinaryHeader,
  encodeBinaryHeader,
  type Interceptor,
  type ServiceImpl,
} from '@connectrpc/connect'
import fastify, { type FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { RetryInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { httpStatusKey } from '../../src/call/context.ts'
import type { RestPluginOptions } from '../../src/rest/options.ts'
import { fastifyRestPlugin } from '../../src/rest/plugin.ts'
import { restServerOptions } from '../../src/rest/server-options.ts'
import { h2Client, type H2Request } from '../e2e/h2.ts'

type Users = Partial<ServiceImpl<typeof User>>

const ada = { id: 1n, name: 'Ada' }
const path = '/v1/users/1'

function serve(users: Users, options: Partial<RestPluginOptions> = {}): FastifyInstance {
  const app = fastify(restServerOptions())
  mount(app, users, options)
  return app
}

function mount(app: FastifyInstance, users: Users, options: Partial<RestPluginOptions>): void {
  void app.register(fastifyRestPlugin, {
    routes: (router) => router.service(User, users),
    ...options,
  })
}

async function listen(t: Test, app: FastifyInstance): Promise<number> {
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

/** The plugin on a server of cleartext HTTP/2. */
async function serveH2(
  t: Test,
  users: Users,
  options: Partial<RestPluginOptions> = {},
): Promise<H2Request> {
  const app = fastify({
    ...restServerOptions(),
    http2: true,
  } as never) as unknown as FastifyInstance
  mount(app, users, options)
  return h2Client(t, `http://127.0.0.1:${await listen(t, app)}`)
}

interface Answer {
  status: number | undefined
  headers: http.IncomingHttpHeaders
  trailers: NodeJS.Dict<string>
  body: string
}

async function request(port: number, options: http.RequestOptions, body = ''): Promise<Answer> {
  const req = http.request({ port, host: '127.0.0.1', agent: false, ...options })
  req.end(body)
  const [res] = (await once(req, 'response')) as [http.IncomingMessage]
  const received = await text(res)
  return { status: res.statusCode, headers: res.headers, trailers: res.trailers, body: received }
}

const talkative: Users = {
  getUser(_request, { responseHeader, responseTrailer }) {
    responseHeader.set('x-head', 'h')
    responseHeader.set('x-head-bin', encodeBinaryHeader(new Uint8Array([0, 255])))
    responseHeader.set('content-length', '7')
    responseHeader.set('transfer-encoding', 'chunked')
    responseHeader.set('http2-settings', 'x')
    responseTrailer.set('x-trail', 't')
    responseTrailer.set('x-trail-bin', encodeBinaryHeader(new Uint8Array([1, 2])))
    return ada
  },
}

test('trailers follow the body where the client takes them, over HTTP/1.1 and HTTP/2', async (t) => {
  const headers = { te: 'trailers' }
  const h1 = await request(await listen(t, serve(talkative)), { path, headers })
  t.equal(h1.trailers['x-trail'], 't')
  t.strictSame(decodeBinaryHeader(h1.trailers['x-trail-bin'] ?? ''), new Uint8Array([1, 2]))
  t.equal(h1.headers['trailer-x-trail'], undefined)
  t.match(JSON.parse(h1.body), { id: '1' })
  const h2 = await (await serveH2(t, talkative))({ ':path': path, ...headers })
  t.equal(h2.trailers.get('x-trail'), 't')
  t.match(JSON.parse(h2.body), { id: '1' })
})

test('trailers go before as headers where the client does not take them', async (t) => {
  const port = await listen(t, serve(talkative))
  for (const options of [{ path }, { path, method: 'HEAD', headers: { te: 'trailers' } }]) {
    const { headers, trailers } = await request(port, options)
    t.equal(headers['trailer-x-trail'], 't')
    t.equal(headers['x-head'], 'h')
    t.strictSame(decodeBinaryHeader(String(headers['x-head-bin'])), new Uint8Array([0, 255]))
    t.strictSame({ ...trailers }, {})
    t.not(headers['content-length'], '7', 'framing is not for handlers')
  }
})

test('trailers that cannot follow a body go before as headers', async (t) => {
  const later = ['authorization', 'cache-control', 'host', 'x-trail']
  const users: Users = {
    getUser(_request, { responseTrailer, requestHeader, values }) {
      for (const name of later) responseTrailer.set(name, 't')
      values.set(httpStatusKey, Number(requestHeader.get('x-status') ?? 200))
      return ada
    },
  }
  const port = await listen(t, serve(users))
  const h2 = await serveH2(t, users)
  const te = { te: 'trailers' }
  const cases: [Record<string, string>, number][] = [
    [te, 200],
    [{ ...te, 'if-none-match': '*' }, 304],
    [{ ...te, 'x-status': '204' }, 204],
  ]
  for (const [headers, status] of cases) {
    const h1 = await request(port, { path, headers })
    const over2 = await h2({ ':path': path, ...headers })
    t.strictSame([h1.status, over2.status], [status, status])
    t.equal(h1.trailers['x-trail'], status === 200 ? 't' : undefined)
    for (const name of later) {
      const expected = status === 200 && name === 'x-trail' ? undefined : 't'
      t.equal(h1.headers[`trailer-${name}`], expected, `${name}, ${status}`)
      t.equal(over2.headers.get(`trailer-${name}`) ?? undefined, expected, `${name}, ${status}`)
    }
  }
})

test('what a handler has set goes with its error too', async (t) => {
  const app = serve({
    getUser(_request, { responseHeader, responseTrailer }) {
      responseHeader.set('x-head', 'h')
      responseTrailer.set('x-trail', 't')
      throw new ConnectError('no', Code.NotFound, { 'content-length': '7', 'x-meta': 'm' })
    },
  })
  const { headers, ...answer } = await app.inject(path)
  t.match(headers, { 'x-head': 'h', 'trailer-x-trail': 't', 'x-meta': 'm' })
  t.match(answer.json(), { code: 404, message: 'no' })
})

test('a header that cannot be written is a fault of the service, and of that answer only', async (t) => {
  const bad = 'a\u0001b'
  for (const users of [
    { getUser: (_request, { responseHeader }) => (responseHeader.set('x-bad', bad), ada) },
    { getUser: (_request, { responseTrailer }) => (responseTrailer.set('x-bad', bad), ada) },
    {
      getUser(_request, { responseHeader }) {
        responseHeader.set('x-bad', bad)
        throw new ConnectError('no', Code.NotFound)
      },
    },
    {
      getUser() {
        throw new ConnectError('no', Code.NotFound, { 'x-bad': bad })
      },
    },
  ] satisfies Users[]) {
    const port = await listen(t, serve(users))
    for (let times = 0; times < 2; times += 1) {
      const { status, body } = await request(port, { path })
      t.equal(status, 500)
      t.match(JSON.parse(body), { code: 500, reason: 'INTERNAL', message: 'internal error' })
    }
  }
})

test('a handler sees the headers of the request, except those of the connection', async (t) => {
  const seen: Headers[] = []
  const app = serve(
    {
      getUser(_request, { requestHeader }) {
        seen.push(requestHeader)
        return ada
      },
    },
    { grpcMetadataAlias: true },
  )
  const headers = {
    'x-list': ['a', 'b'],
    'x-data-bin': encodeBinaryHeader(new Uint8Array([255])),
    'grpc-metadata-caller': 'me',
    connection: 'close, x-hop',
    'x-hop': '1',
    te: 'trailers',
  }
  await request(await listen(t, app), { path, headers })
  const [got] = seen
  t.equal(got?.get('x-list'), 'a, b')
  t.strictSame(decodeBinaryHeader(got?.get('x-data-bin') ?? ''), new Uint8Array([255]))
  t.equal(got?.get('caller'), 'me')
  for (const name of ['connection', 'x-hop', 'te']) t.equal(got?.get(name), null, name)
})

test('RetryInfo becomes Retry-After in whole seconds', async (t) => {
  const refuse = (seconds: bigint, nanos: number, metadata = {}) =>
    serve({
      getUser() {
        const retryDelay = create(DurationSchema, { seconds, nanos })
        const details = [{ desc: RetryInfoSchema, value: { retryDelay } }]
        throw new ConnectError('later', Code.Unavailable, metadata, details)
      },
    }).inject(path)
  t.equal((await refuse(7n, 0)).headers['retry-after'], '7')
  t.equal((await refuse(7n, 1)).headers['retry-after'], '8')
  t.equal((await refuse(7n, 0, { 'retry-after': '9' })).headers['retry-after'], '9')
})

test('a handler may give its answer another status, and a Location', async (t) => {
  const app = serve({
    createUser({ name }, { values, responseHeader }) {
      values.set(httpStatusKey, 201)
      responseHeader.set('location', '/v1/users/1')
      return { id: 1n, name }
    },
    deleteUser(_request, { values }) {
      values.set(httpStatusKey, 204)
      return {}
    },
  })
  const created = await app.inject({ method: 'POST', url: '/v1/users', payload: { name: 'Ada' } })
  t.equal(created.statusCode, 201)
  t.equal(created.headers.location, '/v1/users/1')
  t.match(created.json(), { name: 'Ada' })
  const deleted = await app.inject({ method: 'DELETE', url: path })
  t.equal(deleted.statusCode, 204)
  t.equal(deleted.body, '')
})

function timed(left: number[]): Users {
  return {
    getUser(_request, { timeoutMs }) {
      left.push(timeoutMs() ?? 0)
      return ada
    },
  }
}

test('a client may give its timeout in three spellings, of which the least counts', async (t) => {
  const cases: [Record<string, string>, number][] = [
    [{ 'x-server-timeout': '1.5' }, 1500],
    [{ 'grpc-timeout': '2S' }, 2000],
    [{ 'grpc-timeout': '20000m' }, 20_000],
    [{ 'connect-timeout-ms': '900' }, 900],
    [{ 'x-server-timeout': '3', 'grpc-timeout': '2S', 'connect-timeout-ms': '2500' }, 2000],
    [{ 'grpc-timeout': '99999999H' }, 60_000],
    [{ 'x-server-timeout': '9999999999' }, 60_000],
  ]
  for (const [headers, expected] of cases) {
    const left: number[] = []
    const app = serve(timed(left), { maxTimeoutMs: 60_000 })
    t.equal((await app.inject({ url: path, headers })).statusCode, 200)
    const [ms = 0] = left
    t.ok(ms > 0 && ms <= expected && ms > expected - 700, `${JSON.stringify(headers)} gives ${ms}`)
  }
  for (const headers of [
    { 'x-server-timeout': '-1' },
    { 'x-server-timeout': '1m' },
    { 'grpc-timeout': '5' },
    { 'grpc-timeout': '123456789S' },
    { 'connect-timeout-ms': '1.5' },
  ] as Record<string, string>[]) {
    const answer = await serve({ getUser: () => ada }).inject({ url: path, headers })
    t.match(answer.json(), { code: 400, reason: 'INVALID_PARAMETER' }, JSON.stringify(headers))
  }
})

test('a timeout that no timer can hold is no timeout of a moment', async (t) => {
  const app = serve({
    async getUser(_request, { signal }) {
      await new Promise((resolve) => setImmediate(resolve))
      signal.throwIfAborted()
      return ada
    },
  })
  const headers = { 'grpc-timeout': '99999999H' }
  const port = await listen(t, app)
  t.equal((await request(port, { path, headers })).status, 200)
})

const deaf: Users = { getUser: () => new Promise(() => undefined) }

test('a call is answered at its deadline even if the method does not heed it', async (t) => {
  const headers = { 'connect-timeout-ms': '20' }
  const answer = await serve(deaf).inject({ url: path, headers })
  t.match(answer.json(), { code: 504, reason: 'DEADLINE_EXCEEDED' })
})

test('an interceptor that ends calls at the deadline is heard first', async (t) => {
  const own: Interceptor = (next) =>
    async function own(req) {
      const over = once(req.signal, 'abort').then(() => {
        throw new ConnectError('mine', Code.DeadlineExceeded)
      })
      return Promise.race([over, next(req)])
    }
  const app = serve(deaf, { interceptors: [own] })
  const headers = { 'connect-timeout-ms': '20' }
  t.match((await app.inject({ url: path, headers })).json(), { code: 504, message: 'mine' })
})

test('HEAD has the headers of GET and no body, over HTTP/1.1 and HTTP/2', async (t) => {
  const users: Users = { getUser: () => ada }
  const port = await listen(t, serve(users))
  const h2 = await serveH2(t, users)
  const get = await request(port, { path })
  const head = await request(port, { path, method: 'HEAD' })
  t.equal(head.status, 200)
  t.equal(head.body, '')
  for (const name of ['content-type', 'content-length', 'etag', 'vary'] as const)
    t.equal(head.headers[name], get.headers[name], name)
  const over2 = await h2({ ':path': path, ':method': 'HEAD' })
  t.equal(over2.body, '')
  t.equal(over2.headers.get('content-length'), get.headers['content-length'])
})

test('OPTIONS answers 204 with what is allowed', async (t) => {
  const answer = await request(await listen(t, serve({})), { path: '/v1/users', method: 'OPTIONS' })
  t.equal(answer.status, 204)
  t.equal(answer.headers.allow, 'GET, HEAD, OPTIONS, POST')
  t.equal(answer.body, '')
})

test('a body over HTTP/2 is read, and wants a type, also without a length', async (t) => {
  const call = await serveH2(t, { createUser: ({ name }) => ({ name }) }, { bodyLimit: 1000 })
  const post = { ':path': '/v1/users', ':method': 'POST' }
  const json = { 'content-type': 'application/json' }
  t.match(JSON.parse((await call({ ...post, ...json }, '{"name":"Ada"}')).body), { name: 'Ada' })
  const untyped = await call(post, '{"name":"Ada"}')
  t.equal(untyped.status, 415)
  t.ok(untyped.headers.has('accept-post'))
  t.match(JSON.parse(untyped.body), { code: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' })
  t.equal((await call(post, '')).status, 200, 'an empty one needs none')
  t.equal((await call(post)).status, 200)
  for (const headers of [post, { ...post, ...json }]) {
    const large = await call(headers, ' '.repeat(5000))
    t.match(JSON.parse(large.body), { code: 413, reason: 'BODY_TOO_LARGE' })
  }
})

test('a Vary of the host is kept', async (t) => {
  const app = serve({ getUser: () => ada })
  app.addHook('onRequest', async (_request, reply) => {
    void reply.header('vary', 'Origin')
  })
  t.equal((await app.inject(path)).headers.vary, 'Origin, Accept, Accept-Encoding')
})

test('slashes in a row are one when that is asked for', async (t) => {
  const url = '//v1///users/1'
  t.equal((await serve({ getUser: () => ada }).inject(url)).statusCode, 404)
  const app = serve({ getUser: () => ada }, { mergeSlashes: true })
  t.equal((await app.inject(url)).statusCode, 200)
  t.match((await app.inject('/v2//x')).json(), { code: 404, reason: 'ROUTE_NOT_FOUND' })
})

test('rules of a service configuration come beside those of the proto, or instead', async (t) => {
  const selector = 'api.user.v1.User.GetUser'
  const http = {
    rules: [
      { selector, get: '/old' },
      { selector, get: '/people/{id}' },
    ],
  }
  const status = async (mode: 'override' | 'append', url: string) => {
    const app = serve({ getUser: () => ada }, { serviceConfig: { http, mode } })
    return (await app.inject(url)).statusCode
  }
  t.equal(await status('append', '/people/1'), 200)
  t.equal(await status('append', path), 200)
  t.equal(await status('append', '/old'), 404, 'the last rule of a selector counts')
  t.equal(await status('override', '/people/1'), 200)
  t.equal(await status('override', path), 405)
  const typo = { rules: [{ selector: 'api.user.v1.User.GetUsr', get: '/x' }] }
  const app = serve({}, { serviceConfig: { http: typo, mode: 'append' } })
  t.match(await t.rejects(async () => app.ready()), { message: /GetUsr selects no method/ })
})

test('context values of the host may be shared by the calls of one request only', async (t) => {
  const app = serve(
    { getUser: (_request, { values }) => (values.set(httpStatusKey, 203), ada) },
    { contextValues: () => createContextValues() },
  )
  t.equal((await app.inject(path)).statusCode, 203)
})
