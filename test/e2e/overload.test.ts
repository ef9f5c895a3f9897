import http from 'node:http'
import { once } from 'node:events'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { findTrailerError } from '@connectrpc/connect/protocol-grpc'
import { createConnection } from 'mysql2/promise'
import tap, { test, type Test } from 'tap'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema, RetryInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { ServerReflection } from '../../src/gen/grpc/reflection/v1/reflection_pb.ts'
import { Health } from '../../src/gen/health/v1/health_pb.ts'
import { openRequests } from '../help/exposition.ts'
import { freshMysqlDatabase } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { answerTo, dial } from './dial.ts'
import { h2Client } from './h2.ts'
import { until } from '../help/until.ts'

/** A service that takes two calls at once, and a connection to its database. */
async function narrowService(t: Test) {
  const dsn = await freshMysqlDatabase(t)
  const env = { DB_DSN: dsn, MAX_CONCURRENT_CALLS: '2', TIMEOUT: '60s' }
  const service = await startProcess(t, env)
  const locker = await createConnection(dsn)
  t.teardown(() => locker.destroy())
  return { service, locker }
}

let narrow: ReturnType<typeof narrowService> | undefined

/** The one of this file, with as many calls as it takes, which wait for a lock until `free`. */
async function fullService() {
  narrow ??= narrowService(tap)
  const { service, locker } = await narrow
  await locker.query('LOCK TABLES users WRITE')
  const held = [fetch(`${service.rest}/v1/users`), fetch(`${service.rest}/v1/users`)]
  await until('both calls to begin', async () => (await openRequests(service)) === 2)
  async function free(): Promise<number[]> {
    await locker.query('UNLOCK TABLES')
    return Promise.all(held.map(async (answer) => (await answer).status))
  }
  return { service, free }
}

// The first, since it counts the lines of all refusals.
test('refused calls share one line of the log, with their number', async (t) => {
  const { service, free } = await fullService()
  const calls = Array.from({ length: 20 }, () => fetch(`${service.rest}/v1/users`))
  t.same([...new Set((await Promise.all(calls)).map(({ status }) => status))], [503])
  const lines = () => service.lines.filter(({ reason }) => reason === 'OVERLOADED')
  const told = () => lines().reduce((sum, { refused }) => sum + Number(refused), 0)
  await until('the lines with all refusals', () => told() >= 20)
  t.ok(lines().length < 20)
  t.match(lines()[0], {
    level: 'warn',
    protocol: 'rest',
    method: 'GET',
    path: '/v1/users',
    code: 503,
  })
  await free()
})

test('a full service refuses calls in each protocol, and serves them again when it is not', async (t) => {
  const { service, free } = await fullService()
  const rest = await fetch(`${service.rest}/v1/users`)
  t.equal(rest.status, 503)
  t.equal(rest.headers.get('retry-after'), '1')
  t.match(await rest.json(), { code: 503, reason: 'OVERLOADED', metadata: {} })

  for (const transport of [
    createGrpcTransport({ baseUrl: service.rpc }),
    createGrpcWebTransport({ baseUrl: service.rpc, httpVersion: '1.1' }),
    createConnectTransport({ baseUrl: service.rpc, httpVersion: '1.1' }),
    createConnectTransport({ baseUrl: service.rpc, httpVersion: '2' }),
  ]) {
    const users = createClient(User, transport)
    const error = ConnectError.from(await t.rejects(users.listUsers({})))
    t.equal(error.code, Code.ResourceExhausted)
    t.equal(error.metadata.get('retry-after'), '1')
    t.match(error.findDetails(ErrorInfoSchema), [{ reason: 'OVERLOADED' }])
    t.match(error.findDetails(RetryInfoSchema), [{ retryDelay: { seconds: 1n } }])
  }
  t.same(await free(), [200, 200])
  t.equal((await fetch(`${service.rest}/v1/users`)).status, 200)
  t.equal(
    (await createClient(User, createGrpcTransport({ baseUrl: service.rpc })).listUsers({})).total,
    0,
  )
})

test('a refusal of gRPC is its headers, with RetryInfo among the details', async (t) => {
  const { service, free } = await fullService()
  const answer = await h2Client(t, service.rpc)(
    {
      ':method': 'POST',
      ':path': '/api.user.v1.User/ListUsers',
      'content-type': 'application/grpc+proto',
      te: 'trailers',
    },
    Buffer.alloc(5),
  )
  t.match(answer, { status: 200, body: '' })
  t.equal(answer.headers.get('content-type'), 'application/grpc+proto')
  t.equal(answer.headers.get('grpc-status'), '8')
  t.match(findTrailerError(answer.headers)?.findDetails(RetryInfoSchema), [
    { retryDelay: { seconds: 1n } },
  ])
  await free()
})

test('a refusal comes before the body has been sent, and keeps the connection only if it is short', async (t) => {
  const { service, free } = await fullService()
  const head = 'POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
  const long = dial(service.http, `${head}Content-Length: 1000000\r\n\r\n`)
  t.match(await answerTo(long), /^HTTP\/1\.1 503 [^]*Retry-After: 1[^]*Connection: close/i)

  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const sockets = new Set()
  for (let call = 0; call < 3; call += 1) {
    const request = http.request(`${service.rest}/v1/users`, { agent, method: 'POST' })
    request.end('{"name":"Ada"}')
    request.once('socket', (socket) => sockets.add(socket))
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    t.equal(response.statusCode, 503)
    response.resume()
    await once(response, 'end')
  }
  t.equal(sockets.size, 1)
  await free()
})

test('a call whose client has no more time is answered at once while it waits, in each protocol', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const service = await startProcess(t, { DB_DSN: dsn, TIMEOUT: '20s', DB_POOL_WAIT: '20s' })
  const locker = await createConnection(dsn)
  t.teardown(() => locker.destroy())
  await locker.query('LOCK TABLES users WRITE')
  // More than are worked on at once, so that what comes after them waits.
  const held = Array.from({ length: 100 }, () => fetch(`${service.rest}/v1/users`))
  let served = 0
  for (const answer of held) void answer.then(() => (served += 1))
  const rest = await fetch(`${service.rest}/v1/users`, { headers: { 'x-server-timeout': '0.2' } })
  t.equal(rest.status, 504)
  t.match(await rest.json(), { code: 504, reason: 'DEADLINE_EXCEEDED' })
  const post = h2Client(t, service.rpc)
  const call = { ':method': 'POST', ':path': '/api.user.v1.User/ListUsers' }
  const grpc = await post(
    { ...call, 'content-type': 'application/grpc', te: 'trailers', 'grpc-timeout': '200m' },
    Buffer.alloc(5),
  )
  t.equal(grpc.headers.get('grpc-status'), '4')
  t.match(findTrailerError(grpc.headers)?.findDetails(ErrorInfoSchema), [
    { reason: 'DEADLINE_EXCEEDED' },
  ])
  const connect = await post(
    { ...call, 'content-type': 'application/json', 'connect-timeout-ms': '200' },
    '{}',
  )
  t.equal(connect.status, 504)
  t.match(JSON.parse(connect.body), { code: 'deadline_exceeded' })
  const other = await fetch(`${service.rpc}/api.user.v1.User/ListUsers`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'connect-timeout-ms': '200' },
    body: '{}',
  })
  t.equal(other.status, 504, 'over HTTP/1.1, too')
  t.equal(served, 0, 'none has waited for those before it')
  await locker.query('UNLOCK TABLES')
  for (const answer of held) t.equal((await answer).status, 200)
})

test('health, readiness and reflection answer in overload', async (t) => {
  const { service, free } = await fullService()
  t.equal((await fetch(`${service.rest}/healthz`)).status, 200)
  t.equal((await fetch(`${service.rest}/readyz`)).status, 200)
  const transport = createGrpcTransport({ baseUrl: service.rpc })
  t.match(await createClient(Health, transport).check({}), { status: 1 })
  async function* asked() {
    yield { messageRequest: { case: 'listServices' as const, value: '' } }
  }
  for await (const { messageResponse } of createClient(
    ServerReflection,
    transport,
  ).serverReflectionInfo(asked()))
    t.equal(messageResponse.case, 'listServicesResponse')
  await free()
})
