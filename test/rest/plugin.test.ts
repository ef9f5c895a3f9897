import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  Code,
  ConnectError,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Interceptor,
  type ServiceImpl,
} from '@connectrpc/connect'
import fastify from 'fastify'
import { test } from 'tap'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import type { RestPluginOptions } from '../../src/rest/options.ts'
import { fastifyRestPlugin } from '../../src/rest/plugin.ts'
import { restServerOptions } from '../../src/rest/server-options.ts'

type Users = Partial<ServiceImpl<typeof User>>

const ada = { id: 1n, name: 'Ada', email: 'ada@example.com' }

/** The plugin alone on a Fastify instance, with as much of the user service as a test needs. */
function serve(users: Users, options: Partial<RestPluginOptions> = {}) {
  const app = fastify(restServerOptions())
  void app.register(fastifyRestPlugin, {
    routes: (router) => router.service(User, users),
    ...options,
  })
  return app
}

const getAda = { method: 'GET', url: '/v1/users/1' } as const

test('a handler is given its message and its reply becomes JSON with default values', async (t) => {
  const app = serve({
    getUser: ({ id }) => ({ ...ada, id }),
    createUser: ({ name, email }) => ({ name, email }),
  })
  const got = await app.inject({ method: 'GET', url: '/v1/users/9007199254740993' })
  t.equal(got.statusCode, 200)
  t.equal(got.headers['content-type'], 'application/json')
  t.strictSame(got.json(), {
    id: '9007199254740993',
    name: 'Ada',
    email: 'ada@example.com',
    phone: '',
    createdAt: '0',
  })
  const payload = { name: 'Ada', email: 'ada@example.com' }
  const created = await app.inject({ method: 'POST', url: '/v1/users', payload })
  t.strictSame(created.json(), { id: '0', ...payload })
})

test('a handler that is missing answers 501', async (t) => {
  const answer = await serve({}).inject(getAda)
  t.equal(answer.statusCode, 501)
  t.match(answer.json(), { code: 501, reason: 'UNIMPLEMENTED', metadata: {} })
})

function traced(name: string, trace: string[]): Interceptor {
  return (next) =>
    async function traced(req) {
      trace.push(`${name} in`)
      try {
        return await next(req)
      } finally {
        trace.push(`${name} out`)
      }
    }
}

test('the first interceptor is the outermost', async (t) => {
  const trace: string[] = []
  const app = serve(
    {
      getUser() {
        trace.push('handler')
        return ada
      },
    },
    { interceptors: [traced('a', trace), traced('b', trace)] },
  )
  await app.inject(getAda)
  t.strictSame(trace, ['a in', 'b in', 'handler', 'b out', 'a out'])
})

test('an interceptor sees the request as a Connect interceptor would', async (t) => {
  const seen: unknown[] = []
  const look: Interceptor = (next) =>
    async function look(req) {
      const { stream, method, service, requestMethod, url, header, message } = req
      seen.push({ stream, method, service, requestMethod, url: new URL(url).pathname, message })
      seen.push(header.get('x-request'))
      return next(req)
    }
  const app = serve({ getUser: () => ada }, { interceptors: [look] })
  await app.inject({ ...getAda, headers: { 'x-request': 'seven' } })
  const [request, header] = seen
  t.match(request, {
    stream: false,
    method: { name: 'GetUser' },
    service: { typeName: 'api.user.v1.User' },
    requestMethod: 'GET',
    url: '/v1/users/1',
    message: { $typeName: 'api.user.v1.GetUserRequest', id: 1n },
  })
  t.equal(header, 'seven')
})

const replace: Interceptor = (next) =>
  async function replace(req) {
    if (req.stream) return next(req)
    const res = await next({ ...req, message: { ...req.message, id: 7n } as never })
    return res.stream ? res : { ...res, message: { ...res.message, phone: '123' } as never }
  }

test('an interceptor may replace the message and the reply', async (t) => {
  const app = serve({ getUser: ({ id }) => ({ ...ada, id }) }, { interceptors: [replace] })
  t.match((await app.inject(getAda)).json(), { id: '7', phone: '123' })
})

const refuse: Interceptor = () => refused

async function refused(): Promise<never> {
  throw new ConnectError('not today', Code.Unavailable, { 'retry-after': '7' })
}

test('an interceptor may answer without the handler', async (t) => {
  const app = serve(
    { getUser: () => t.fail('the handler was called') as never },
    {
      interceptors: [refuse],
    },
  )
  const answer = await app.inject(getAda)
  t.equal(answer.statusCode, 503)
  t.equal(answer.headers['retry-after'], '7')
  t.strictSame(answer.json(), {
    code: 503,
    reason: 'UNAVAILABLE',
    message: 'not today',
    metadata: {},
  })
})

const callerKey = createContextKey('nobody')

test('an interceptor may replace signal, header and context values', async (t) => {
  const { signal } = new AbortController()
  const replace: Interceptor = (next) =>
    async function replace(req) {
      const header = new Headers({ 'x-from': 'interceptor' })
      return next({
        ...req,
        signal,
        header,
        contextValues: req.contextValues.set(callerKey, 'Ada'),
      })
    }
  let context: HandlerContext | undefined
  const app = serve(
    {
      getUser(_request, given) {
        context = given
        return ada
      },
    },
    { interceptors: [replace] },
  )
  const answer = await app.inject({ ...getAda, headers: { 'x-from': 'client' } })
  t.equal(answer.statusCode, 200)
  t.equal(context?.signal, signal)
  t.equal(context?.requestHeader.get('x-from'), 'interceptor')
  t.equal(context?.values.get(callerKey), 'Ada')
  t.match(context, {
    method: { name: 'GetUser' },
    service: { typeName: 'api.user.v1.User' },
    protocolName: 'rest',
    requestMethod: 'GET',
  })
})

test('context values of the host reach the handler', async (t) => {
  const app = serve(
    { getUser: (_request, { values }) => ({ ...ada, name: values.get(callerKey) }) },
    {
      contextValues: ({ headers }) =>
        createContextValues().set(callerKey, String(headers['x-caller'])),
    },
  )
  const answer = await app.inject({ ...getAda, headers: { 'x-caller': 'Grace' } })
  t.match(answer.json(), { name: 'Grace' })
})

test('headers that a handler sets reach the answer', async (t) => {
  const app = serve({
    getUser(_request, { responseHeader }) {
      responseHeader.set('etag', '"7"')
      responseHeader.append('set-cookie', 'a=1')
      responseHeader.append('set-cookie', 'b=2')
      return ada
    },
  })
  const answer = await app.inject(getAda)
  t.equal(answer.headers.etag, '"7"')
  t.strictSame(answer.headers['set-cookie'], ['a=1', 'b=2'])
})

const mark: Interceptor = (next) =>
  async function mark(req) {
    const res = await next(req)
    res.header.set('x-mark', 'seen')
    return res
  }

test('headers that an interceptor sets after the handler reach the answer', async (t) => {
  const app = serve({ getUser: () => ada }, { interceptors: [mark] })
  t.equal((await app.inject(getAda)).headers['x-mark'], 'seen')
})

test('the signal of a call aborts when its client leaves', async (t) => {
  const begun = Promise.withResolvers<void>()
  const left = Promise.withResolvers<string>()
  const app = serve({
    async getUser(_request, { signal }) {
      begun.resolve()
      await once(signal, 'abort')
      left.resolve(ConnectError.from(signal.reason).code === Code.Canceled ? 'canceled' : 'else')
      return ada
    },
  })
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const request = http.get({ port, host: '127.0.0.1', path: '/v1/users/1' })
  request.on('error', () => undefined)
  await begun.promise
  request.destroy()
  t.equal(await left.promise, 'canceled')
})

test('an error of unknown origin answers 500 and says nothing of itself', async (t) => {
  const told: unknown[] = []
  const secret = new Error("duplicate entry 'ada@example.com' in SELECT")
  const app = serve(
    {
      getUser() {
        throw secret
      },
    },
    {
      observer: {
        route: (_request, { method }) => told.push(method.name),
        error: (_request, error, status, reason) => told.push(error.cause, status, reason),
      },
    },
  )
  const answer = await app.inject(getAda)
  t.equal(answer.statusCode, 500)
  t.strictSame(answer.json(), {
    code: 500,
    reason: 'INTERNAL',
    message: 'internal error',
    metadata: {},
  })
  t.strictSame(told, ['GetUser', secret, 500, 'INTERNAL'])
})

test('an error that is no Error answers 500 too', async (t) => {
  for (const thrown of ['text', undefined, null, 7]) {
    const app = serve({
      async getUser() {
        throw thrown
      },
    })
    t.match((await app.inject(getAda)).json(), { code: 500, message: 'internal error' })
  }
})

test('a ConnectError answers with its code, its ErrorInfo and its metadata as headers', async (t) => {
  const app = serve({
    getUser() {
      const details = [
        { desc: ErrorInfoSchema, value: { reason: 'TOO_SHY', metadata: { user: 'Ada' } } },
      ]
      throw new ConnectError('is shy', Code.PermissionDenied, { 'x-why': 'shy' }, details)
    },
  })
  const answer = await app.inject(getAda)
  t.equal(answer.statusCode, 403)
  t.equal(answer.headers['x-why'], 'shy')
  t.strictSame(answer.json(), {
    code: 403,
    reason: 'TOO_SHY',
    message: 'is shy',
    metadata: { user: 'Ada' },
  })
})

test('each code has its HTTP status', async (t) => {
  const statuses = [
    [Code.Canceled, 499],
    [Code.Unknown, 500],
    [Code.InvalidArgument, 400],
    [Code.DeadlineExceeded, 504],
    [Code.NotFound, 404],
    [Code.AlreadyExists, 409],
    [Code.PermissionDenied, 403],
    [Code.ResourceExhausted, 429],
    [Code.FailedPrecondition, 400],
    [Code.Aborted, 409],
    [Code.OutOfRange, 400],
    [Code.Unimplemented, 501],
    [Code.Internal, 500],
    [Code.Unavailable, 503],
    [Code.DataLoss, 500],
    [Code.Unauthenticated, 401],
  ] as const
  for (const [code, status] of statuses) {
    const app = serve({
      getUser() {
        throw new ConnectError('no', code)
      },
    })
    t.equal((await app.inject(getAda)).statusCode, status, Code[code])
  }
})

test('a body above the limit of the plugin is refused', async (t) => {
  const app = serve({ createUser: () => ({}) }, { bodyLimit: 10 })
  const payload = { name: 'Ada Lovelace' }
  const answer = await app.inject({ method: 'POST', url: '/v1/users', payload })
  t.match(answer.json(), {
    code: 413,
    reason: 'BODY_TOO_LARGE',
    message: 'the body is larger than 10 bytes, the most that is accepted',
  })
})

test('routes beside the plugin keep their own body parsers and errors', async (t) => {
  const app = serve({ getUser: () => ada })
  app.post('/echo', async ({ body }) => ({ body }))
  const echo = await app.inject({ method: 'POST', url: '/echo', payload: { a: 1 } })
  t.strictSame(echo.json(), { body: { a: 1 } })
  const bad = await app.inject({
    method: 'POST',
    url: '/echo',
    payload: '{',
    headers: { 'content-type': 'application/json' },
  })
  t.equal(bad.statusCode, 400)
  t.match(await app.inject('/v1/users/1'), { statusCode: 200 })
})

test('a method that is registered alone is served, and its neighbours are 405', async (t) => {
  const app = fastify(restServerOptions())
  void app.register(fastifyRestPlugin, {
    routes: (router) => router.rpc(User.method.getUser, () => ada),
  })
  t.equal((await app.inject(getAda)).statusCode, 200)
  const other = await app.inject({ method: 'DELETE', url: '/v1/users/1' })
  t.equal(other.statusCode, 405)
  t.equal(other.headers['allow'], 'GET, HEAD, OPTIONS')
})
