import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import { ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { createConnection } from 'mysql2/promise'
import { test } from 'tap'
import { Health } from '../../src/gen/health/v1/health_pb.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { httpCollector } from '../help/collector.ts'
import { freshMysqlDatabase, freshSqlitePath } from '../help/db.ts'
import { openRequests } from '../help/exposition.ts'
import { type ServiceProcess, startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'

/** How calls of one kind ended, counted; `gone` once nobody listens any more. */
type Outcomes = Map<string, number>
type Caller = () => Promise<string>

let made = 0
const user = () => ({ name: 'Stop', email: `shutdown-${(made += 1)}@example.org` })

function keepAliveHttp1({ http: addr }: ServiceProcess): Caller {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 })
  const [host, port] = addr.split(':')
  const headers = { 'content-type': 'application/json' }
  return () =>
    new Promise((resolve) => {
      const options = { host, port, agent, path: '/v1/users', method: 'POST', headers }
      const request = http.request(options, (response) => {
        response.resume().once('end', () => resolve(String(response.statusCode)))
        response.once('error', (err) => resolve(err.message))
      })
      request.once('error', (err: NodeJS.ErrnoException) => resolve(err.code ?? err.message))
      request.end(JSON.stringify(user()))
    })
}

function h2c({ rpc }: ServiceProcess): Caller {
  let session: http2.ClientHttp2Session | undefined
  const headers = {
    ':method': 'POST',
    ':path': '/api.user.v1.User/CreateUser',
    'content-type': 'application/json',
  }
  return async () => {
    if (!session || session.closed) {
      session = http2.connect(rpc)
      session.on('error', () => undefined)
      try {
        await once(session, 'connect')
      } catch (err) {
        return (err as NodeJS.ErrnoException).code ?? 'error'
      }
      if (session.closed) return 'left'
    }
    const stream = session.request(headers)
    return new Promise((resolve) => {
      let status = 'none'
      stream.once('response', (response) => (status = String(response[':status'])))
      stream.once('error', (err) => resolve(err.message))
      stream.resume().once('close', () => resolve(status))
      stream.end(JSON.stringify(user()))
    })
  }
}

function grpc({ rpc }: ServiceProcess): Caller {
  const users = createClient(User, createGrpcTransport({ baseUrl: rpc }))
  return async () => {
    try {
      await users.createUser(user())
      return '200'
    } catch (err) {
      return ConnectError.from(err).rawMessage
    }
  }
}

const refusedByNobody = /ECONNREFUSED/
// Not processed, and said to be so: RFC 9113, 8.7.
const notProcessed = /REFUSED_STREAM|left/

async function callUntilGone(call: Caller, outcomes: Outcomes): Promise<void> {
  for (;;) {
    const outcome = await call()
    if (refusedByNobody.test(outcome)) return
    if (!notProcessed.test(outcome)) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
}

test('SIGTERM under load fails no request that was accepted, and ends with 0', async (t) => {
  const service = await startProcess(t, { SQLITE_PATH: freshSqlitePath(t) })
  const kinds = { http1: keepAliveHttp1(service), grpc: grpc(service) }
  const outcomes: Record<'http1' | 'h2c' | 'grpc', Outcomes> = {
    http1: new Map(),
    h2c: new Map(),
    grpc: new Map(),
  }
  const running = [
    ...Array.from({ length: 16 }, () => callUntilGone(kinds.http1, outcomes.http1)),
    ...Array.from({ length: 8 }, () => callUntilGone(h2c(service), outcomes.h2c)),
    ...Array.from({ length: 8 }, () => callUntilGone(kinds.grpc, outcomes.grpc)),
  ]
  const counts = Object.values(outcomes)
  await until('answers of each kind', () => counts.every((each) => (each.get('200') ?? 0) > 50))
  service.kill('SIGTERM')
  await Promise.all(running)
  t.equal(await service.exit, 0, service.stderr())
  for (const [kind, counts] of Object.entries(outcomes)) {
    t.strictSame([...counts.keys()], ['200'], kind)
  }
})

test('a health watch is told of the stop and then ended as unavailable', async (t) => {
  const service = await startProcess(t, { SQLITE_PATH: freshSqlitePath(t), DRAIN_DELAY: '0.5s' })
  const health = createClient(Health, createGrpcTransport({ baseUrl: service.rpc }))
  const statuses: number[] = []
  async function watch(): Promise<void> {
    for await (const { status } of health.watch({ service: User.typeName })) {
      statuses.push(status)
      if (statuses.length === 1) service.kill('SIGTERM')
    }
  }
  const err = await t.rejects(watch())
  t.match(err, { rawMessage: /shutting down/ })
  t.match(ConnectError.from(err).findDetails(ErrorInfoSchema), [{ reason: 'SHUTTING_DOWN' }])
  t.strictSame(statuses, [1, 2])
  t.equal(await service.exit, 0)
})

test('calls that the stop cuts off are logged and counted as such, not as left by their clients', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const collector = await httpCollector(t)
  const service = await startProcess(t, {
    DB_DSN: dsn,
    SHUTDOWN_TIMEOUT: '0.5s',
    METRICS_PUSH_ENDPOINT: collector.url,
  })
  const locker = await createConnection(dsn)
  t.teardown(() => locker.end())
  // No create goes through until the end of the connection.
  await locker.query('LOCK TABLES users READ')
  const users = createClient(User, createGrpcTransport({ baseUrl: service.rpc }))
  const calls = [keepAliveHttp1(service)(), h2c(service)(), t.rejects(users.createUser(user()))]
  await until('all calls to begin', async () => (await openRequests(service)) === calls.length)
  service.kill('SIGTERM')
  await Promise.all(calls)
  t.equal(await service.exit, 0, service.stderr())
  const ends = service.lines.filter(({ kind, code }) => kind === 'server' && code !== 200)
  const cut = { code: 503, reason: 'SHUTTING_DOWN', operation: '/api.user.v1.User/CreateUser' }
  t.match(
    ends.toSorted((a, b) => String(a.protocol).localeCompare(String(b.protocol))),
    ['connect', 'grpc', 'rest'].map((protocol) => ({ ...cut, protocol })),
  )
  const counted = collector.bodies.at(-1) ?? ''
  t.match(counted, 'SHUTTING_DOWN')
  t.notMatch(counted, 'CANCELED')
})
