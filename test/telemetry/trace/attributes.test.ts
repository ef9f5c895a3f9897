import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { createConnection } from 'mysql2/promise'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'tap'
import { Health } from '../../../src/gen/health/v1/health_pb.ts'
import { durationFromMs } from '@bufbuild/protobuf/wkt'
import { callers } from '../../e2e/callers.ts'
import { startApp } from '../../help/app.ts'
import { type SeenSpan, served, spanMemory } from '../../help/spans.ts'
import { until } from '../../help/until.ts'

const ada = { name: 'Ada', email: 'ada@example.org' }
const find = (spans: SeenSpan[], name: string) => spans.find((span) => span.name === name)

test('a server span has the attributes of HTTP, of RPC and of Kratos', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, { storage: 'sqlite', spans: memory.exporter })
  const calls = callers(app)
  const create = await memory.of(() => calls.REST('createUser', ada), served(1))
  t.match(find(create, 'POST /v1/users')?.attributes, {
    'http.request.method': 'POST',
    'http.route': '/v1/users',
    'http.response.status_code': 200,
    'url.path': '/v1/users',
    'url.scheme': 'http',
    'server.address': '127.0.0.1',
    'server.port': app.rest.port,
    'client.address': '127.0.0.1',
    'network.peer.address': '127.0.0.1',
    'network.peer.port': Number,
    'network.protocol.version': '1.1',
    'user_agent.original': /node/,
    'rpc.method': 'api.user.v1.User/CreateUser',
    'rpc.system': 'http',
    'rpc.service': 'api.user.v1.User',
    'rpc.status_code': 200,
  })
  for (const [protocol, spoken, ok, missing, version] of [
    ['Connect JSON', 'connect', undefined, 'not_found', '1.1'],
    ['gRPC', 'grpc', 'OK', 'NOT_FOUND', '2'],
    ['gRPC-Web', 'grpc-web', 'OK', 'NOT_FOUND', '1.1'],
  ] as const) {
    const good = await memory.of(() => calls[protocol]('getUser', { id: '1' }), served(1))
    const name = 'api.user.v1.User/GetUser'
    t.match(find(good, name)?.attributes, {
      'exchange.protocol': spoken,
      'rpc.system.name': spoken === 'connect' ? 'connectrpc' : 'grpc',
      'rpc.method': name,
      'rpc.response.status_code': ok,
      'rpc.system': 'grpc',
      'rpc.status_code': 200,
      'network.protocol.version': version,
    })
    const bad = await memory.of(() => calls[protocol]('getUser', { id: '4711' }), served(1))
    t.match(find(bad, name), {
      attributes: { 'rpc.response.status_code': missing, 'rpc.status_code': 404 },
      failed: undefined,
    })
  }
})

test('texts that a client chooses are cut in its span', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, {
    storage: 'sqlite',
    spans: memory.exporter,
    configure(conf) {
      conf.tracing.personalData = true
    },
  })
  const long = 'x'.repeat(3000)
  const headers = { 'user-agent': long, 'x-md-service-name': long }
  const url = `${app.rest.url}/v1/${long}?${long}`
  const [span] = await memory.of(() => fetch(url, { headers }).then((got) => got.text()), served(1))
  const attributes = span?.attributes ?? {}
  t.equal(attributes['peer.service'], 'x'.repeat(1024))
  const lengths = Object.values(attributes).map((value) => String(value).length)
  t.equal(Math.max(...lengths), 1024)
})

test('spans say which user, which page and how many, and what the statement was', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, { storage: 'mysql', spans: memory.exporter })
  const calls = callers(app)
  await memory.of(() => calls.REST('createUser', ada), served(1))
  const list = await memory.of(() => calls.REST('listUsers', { page: 1, pageSize: 5 }), served(1))
  t.match(find(list, 'UserUseCase.List')?.attributes, {
    'pagination.page': 1,
    'pagination.size': 5,
    'result.count': 1,
    'result.total': 1,
  })
  const get = await memory.of(() => calls.REST('getUser', { id: '1' }), served(1))
  t.match(find(get, 'UserUseCase.Get')?.attributes, { 'user.id': '1' })
  const { hostname, port, pathname } = new URL(app.database)
  t.match(find(get, 'SELECT users')?.attributes, {
    'db.system.name': /^(mariadb|mysql)$/,
    'db.namespace': pathname.slice(1),
    'db.operation.name': 'SELECT',
    'db.collection.name': 'users',
    'db.query.summary': 'SELECT users',
    'db.query.text': /^select `id`.* from `users` where `users`.`id` = \?$/,
    'server.address': hostname,
    'server.port': Number(port),
  })
})

test('waiting for a connection is a span of its own beside the statement', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, {
    storage: 'mysql',
    spans: memory.exporter,
    configure({ data, server }) {
      data.database.poolSize = 1
      data.database.poolWait = durationFromMs(300)
      server.timeout = durationFromMs(20_000)
    },
  })
  const calls = callers(app)
  await memory.of(() => calls.REST('createUser', ada), served(1))
  const locker = await createConnection(app.database)
  await locker.query('BEGIN')
  await locker.query('SELECT * FROM users FOR UPDATE')
  const held = calls.REST('updateUser', { id: '1', user: { name: 'B' } })
  const spans = await memory.of(async () => {
    // The only connection is held by the update.
    await calls.gRPC('getUser', { id: '1' })
    await locker.query('ROLLBACK')
    await held
  }, served(2))
  await locker.end()
  const wait = spans.find(({ name, failed }) => name === 'connection wait' && failed !== undefined)
  const repo = find(spans, 'UserRepo.Find')
  t.equal(wait?.parent, repo?.id)
  t.equal(wait?.failed, 'DATABASE_UNAVAILABLE')
  t.ok(wait && wait.end - wait.start >= 250_000_000n, 'as long as it waited')
  t.notOk(spans.find(({ parent, kind }) => parent === repo?.id && kind === 'CLIENT'))
})

test('the span of a stream ends with the stream', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, {
    storage: 'sqlite',
    spans: memory.exporter,
    configure(conf) {
      conf.tracing.sampling.rules = {}
    },
  })
  const client = createClient(Health, createGrpcTransport({ baseUrl: app.rpc.url }))
  const gone = new AbortController()
  const messages = client.watch({}, { signal: gone.signal })[Symbol.asyncIterator]()
  await messages.next()
  t.same(memory.spans(), [])
  await client.check({})
  await until('the span of the call', () => memory.spans().length > 0)
  gone.abort()
  await t.rejects(messages.next())
  await until('the span of the stream', () => memory.spans().length > 1)
  const [call, span] = memory.spans()
  t.match(span, { name: 'grpc.health.v1.Health/Watch', kind: 'SERVER', failed: undefined })
  t.match(span?.attributes, { 'error.reason': 'CANCELED' })
  t.ok(call && span && span.start < call.start && span.end > call.end)
})

test('a client that leaves, and one that sends no HTTP, have their server span', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, { storage: 'sqlite', spans: memory.exporter })
  const left = await memory.of(async () => {
    const socket = net.connect(app.rest.port, '127.0.0.1')
    socket.write('POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n')
    socket.write('Expect: 100-continue\r\nContent-Length: 99\r\n\r\n{')
    // 100 Continue: the body is being read.
    await once(socket, 'data')
    socket.destroy()
  }, served(1))
  t.match(left, [{ name: 'POST /v1/users', failed: undefined }])
  t.match(left[0]?.attributes, { 'error.reason': 'CANCELED' })
  const odd = await memory.of(async () => {
    const socket = net.connect(app.rest.port, '127.0.0.1', () => socket.end('nonsense\r\n\r\n'))
    socket.resume()
    await once(socket, 'close')
  }, served(1))
  t.match(odd, [{ name: 'HTTP', attributes: { 'error.reason': 'MALFORMED_REQUEST' } }])
})
