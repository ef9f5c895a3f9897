import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node'
import { createConnection, type Connection } from 'mysql2/promise'
import { test, type Test } from 'tap'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { openRequests } from '../help/exposition.ts'
import { freshMysqlDatabase } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'

/** A service with one user, and a connection that can hold up its writes by a lock. */
async function startWithLock(t: Test, env: Record<string, string> = {}) {
  const dsn = await freshMysqlDatabase(t)
  const service = await startProcess(t, { DB_DSN: dsn, ...env })
  const locker = await createConnection(dsn)
  t.teardown(() => locker.end())
  // Not by the service, whose time limit may be too short for it on a busy machine.
  await locker.query("INSERT INTO users (name, email) VALUES ('Ada', 'ada@example.org')")
  return { service, id: 1, locker }
}

function post(rest: string, user: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${rest}/v1/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(user),
  })
}

async function lock(locker: Connection): Promise<void> {
  await locker.query('BEGIN')
  await locker.query('SELECT * FROM users FOR UPDATE')
}

test('a call that takes longer than the server allows is 504, and its connection is given up', async (t) => {
  const { service, id, locker } = await startWithLock(t, { TIMEOUT: '1.5s', DB_POOL_SIZE: '1' })
  await lock(locker)
  const late = await fetch(`${service.rest}/v1/users/${id}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"B"}',
  })
  t.equal(late.status, 504)
  t.match(await late.json(), { code: 504, reason: 'DEADLINE_EXCEEDED', message: /1500 ms/ })
  await until('a read, for which the one connection must be free', async () => {
    const { status } = await fetch(`${service.rest}/v1/users/${id}`)
    return status === 200
  })
  await locker.query('ROLLBACK')
})

test('a client’s deadline counts where it is smaller, in each of its spellings', async (t) => {
  const { service, id, locker } = await startWithLock(t, { TIMEOUT: '20s' })
  await lock(locker)
  for (const headers of [
    { 'x-server-timeout': '0.2' },
    { 'connect-timeout-ms': '200' },
    { 'grpc-timeout': '200m' },
    { 'grpc-timeout': '10S', 'x-server-timeout': '0.2' },
  ]) {
    const answer = await fetch(`${service.rest}/v1/users/${id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json', ...headers },
      body: '{"name":"B"}',
    })
    t.equal(answer.status, 504, JSON.stringify(headers))
    t.match(await answer.json(), { reason: 'DEADLINE_EXCEEDED' })
  }
  for (const transport of [
    createGrpcTransport({ baseUrl: service.rpc }),
    createConnectTransport({ baseUrl: service.rpc, httpVersion: '1.1' }),
  ]) {
    const users = createClient(User, transport)
    const update = users.updateUser({ id: BigInt(id), user: { name: 'B' } }, { timeoutMs: 200 })
    t.equal(ConnectError.from(await t.rejects(update)).code, Code.DeadlineExceeded)
  }
  await locker.query('ROLLBACK')
})

test('a timeout header that cannot be read is refused by its name', async (t) => {
  const { service, id } = await startWithLock(t)
  for (const [name, value] of [
    ['x-server-timeout', 'soon'],
    ['connect-timeout-ms', '1.5'],
    ['grpc-timeout', '1x'],
  ] as const) {
    const answer = await fetch(`${service.rest}/v1/users/${id}`, { headers: { [name]: value } })
    t.equal(answer.status, 400)
    t.match(await answer.json(), { reason: 'INVALID_PARAMETER', metadata: { [name]: /must be/ } })
  }
})

test('a create that was answered 504 may have happened: then its repetition is 409', async (t) => {
  const { service, locker } = await startWithLock(t, { TIMEOUT: '0.4s' })
  // The table lock lets the insert arrive and wait; it goes through after its client was told 504.
  await locker.query('LOCK TABLES users READ')
  const user = { name: 'Late', email: 'late@example.org' }
  t.equal((await post(service.rest, user)).status, 504)
  await locker.query('UNLOCK TABLES')
  const statuses = new Set<number>()
  await until('a repetition that finds it', async () => {
    const { status } = await post(service.rest, user)
    statuses.add(status)
    return status === 409
  })
  // On a busy machine a repetition may be too late, too.
  t.same(
    [...statuses].filter((status) => ![200, 409, 504].includes(status)),
    [],
  )
})

test('past the greatest number of calls the next is refused early, with Retry-After', async (t) => {
  const { service, id, locker } = await startWithLock(t, {
    MAX_CONCURRENT_CALLS: '2',
    TIMEOUT: '60s',
  })
  await lock(locker)
  const patch = () =>
    fetch(`${service.rest}/v1/users/${id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"B"}',
    })
  const held = [patch(), patch()]
  await until('both calls to begin', async () => (await openRequests(service)) === 2)
  const refused = await fetch(`${service.rest}/v1/users/${id}`)
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('retry-after'), '1')
  t.match(await refused.json(), { code: 503, reason: 'OVERLOADED', metadata: {} })
  const grpc = createClient(User, createGrpcTransport({ baseUrl: service.rpc }))
  t.equal(ConnectError.from(await t.rejects(grpc.listUsers({}))).code, Code.ResourceExhausted)
  const connect = createClient(
    User,
    createConnectTransport({ baseUrl: service.rpc, httpVersion: '1.1' }),
  )
  t.equal(ConnectError.from(await t.rejects(connect.listUsers({}))).code, Code.ResourceExhausted)
  t.equal((await fetch(`${service.rest}/readyz`)).status, 200, 'health is never refused')
  await locker.query('ROLLBACK')
  t.strictSame(
    (await Promise.all(held)).map(({ status }) => status),
    [200, 200],
  )
  t.equal((await fetch(`${service.rest}/v1/users/${id}`)).status, 200)
})
