// What becomes of the calls on a connection of HTTP/2, by servers of the tests' own.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import net from 'node:net'
import { Code, ConnectError } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import { clientOf } from '../../src/client/client.ts'
import { overRest } from '../../src/client/rest/open-node.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { certificates } from '../help/certificates.ts'
import { until } from '../help/until.ts'
import { caught } from './callers.ts'

async function listening(t: Test, server: net.Server): Promise<number> {
  const sockets: net.Socket[] = []
  server.on('connection', (socket) => sockets.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as net.AddressInfo).port
}

/** How many resets a connection may have, as at a service. */
const limits = { streamResetBurst: 200, streamResetRate: 20 }

/** A server of users that reads no bodies of new ones; with its sessions and the streams of those bodies. */
async function serving(t: Test, settings: http2.Settings = {}) {
  const sessions: http2.ServerHttp2Session[] = []
  const unread: http2.ServerHttp2Stream[] = []
  const served = connectNodeAdapter({
    routes: (router) => router.service(User, { getUser: ({ id }) => ({ id }) }),
  })
  const server = http2.createServer({ ...limits, settings }, (req, res) => {
    if (req.url.endsWith('/CreateUser')) unread.push(req.stream)
    else served(req, res)
  })
  server.on('session', (session) => sessions.push(session))
  return { sessions, unread, port: await listening(t, server) }
}

/** The sessions of clients in this process, in the order of their first streams. */
function opened(t: Test): Set<http2.ClientHttp2Session> {
  const sessions = new Set<http2.ClientHttp2Session>()
  const note = (message: unknown): void => {
    const { stream } = message as { stream: http2.ClientHttp2Stream }
    sessions.add(stream.session as http2.ClientHttp2Session)
  }
  subscribe('http2.client.stream.created', note)
  t.teardown(() => unsubscribe('http2.client.stream.created', note))
  return sessions
}

test('a call that begins while an idle connection is closed is made over another one', async (t) => {
  for (const protocol of ['grpc', 'connect'] as const) {
    const { sessions, port } = await serving(t)
    const ours = opened(t)
    const settings = { protocol, timeoutMs: 60_000, retry: { attempts: 0 } }
    await using users = clientOf(User, `direct:///127.0.0.1:${port}`, settings)
    t.equal((await users.getUser({ id: 1n })).id, 1n)
    const [first] = ours
    const meanwhile = once(first as http2.ClientHttp2Session, 'goaway').then(() =>
      users.getUser({ id: 2n }),
    )
    const closed = new Promise((resolve) => first?.once('close', resolve))
    sessions[0]?.close()
    t.equal((await meanwhile).id, 2n)
    await closed
    t.equal((await users.getUser({ id: 3n })).id, 3n)
    t.equal(sessions.length, 2)
  }
})

test('calls go on when those with large messages on their connection were given up', async (t) => {
  const { sessions, unread, port } = await serving(t)
  await using users = clientOf(User, `direct:///127.0.0.1:${port}`, {
    timeoutMs: 60_000,
    retry: { attempts: 0 },
  })
  t.equal((await users.getUser({ id: 1n })).id, 1n)
  const controller = new AbortController()
  const { signal } = controller
  const large = { name: 'x'.repeat(1_000_000), email: 'large@example.org' }
  const calls = Array.from({ length: 30 }, () => users.createUser(large, { signal }).catch(caught))
  await until('the large calls', () => unread.length === 30)
  controller.abort()
  for (const { code } of (await Promise.all(calls)) as ConnectError[]) t.equal(code, Code.Canceled)
  t.equal((await users.getUser({ id: 2n })).id, 2n)
  t.equal(sessions.length, 1)
})

test('many calls that are given up together cost the others on their connection nothing', async (t) => {
  const { sessions, unread, port } = await serving(t)
  await using users = clientOf(User, `direct:///127.0.0.1:${port}`, {
    timeoutMs: 60_000,
    retry: { attempts: 0 },
  })
  const small = { name: 'Ann', email: 'ann@example.org' }
  const other = users.createUser(small).catch(caught)
  await until('the other call', () => unread.length === 1)
  const controller = new AbortController()
  const { signal } = controller
  const given = 230
  const calls = Array.from({ length: given }, () =>
    users.createUser(small, { signal }).catch(caught),
  )
  await until('the calls', () => unread.length === 1 + given)
  controller.abort()
  await Promise.all(calls)
  t.equal((await users.getUser({ id: 1n })).id, 1n)
  t.equal(sessions.length, 2, 'further calls do not wait for the resets')
  await until('the resets', () => unread.filter(({ closed }) => closed).length === given)
  t.equal(sessions[0]?.closed, false)
  unread[0]?.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
  t.match(await other, { code: Code.Internal })
})

test('a call does not wait for those that fill their connection', async (t) => {
  const { sessions, unread, port } = await serving(t, { maxConcurrentStreams: 4 })
  await using users = clientOf(User, `direct:///127.0.0.1:${port}`, { timeoutMs: 60_000 })
  t.equal((await users.getUser({ id: 1n })).id, 1n)
  const small = { name: 'Ann', email: 'ann@example.org' }
  const others = Array.from({ length: 8 }, () => users.createUser(small).catch(caught))
  await until('the other calls', () => unread.length === 8)
  t.equal((await users.getUser({ id: 2n })).id, 2n)
  t.equal(sessions.length, 3)
  for (const stream of unread) stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
  await Promise.all(others)
  t.equal((await users.getUser({ id: 3n })).id, 3n)
  t.equal(sessions.length, 3)
})

test('a call with more headers than a node takes is refused, and ends nothing for the others', async (t) => {
  const limit = 8192
  const many = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`x-${n}`, '1']))
  for (const protocol of ['grpc', 'connect'] as const) {
    const { port } = await serving(t, { maxHeaderListSize: limit })
    const settings = { protocol, timeoutMs: 60_000, breaker: { minimum: 2 } }
    await using users = clientOf(User, `direct:///127.0.0.1:${port}`, settings)
    const called = (headers: Record<string, string>) => users.getUser({ id: 1n }, { headers })
    t.match(await called({ 'x-a': '1'.repeat(limit / 2) }), { id: 1n })
    for (let n = 0; n < 10; n += 1) {
      const headers = n % 2 === 0 ? many : { 'x-a': '1'.repeat(limit) }
      const refused = ConnectError.from(await called(headers).catch(caught))
      t.match(refused, { code: Code.ResourceExhausted, rawMessage: 'the headers are too large' })
      t.match(refused.findDetails(ErrorInfoSchema), [{ reason: 'HEADERS_TOO_LARGE' }])
    }
    t.match(await users.getUser({ id: 2n }), { id: 2n })
  }
})

test('a call that has begun is not sent again when its TLS connection breaks', async (t) => {
  const { ca, issue } = certificates(t)
  const { certFile, keyFile } = issue('server')
  const options = { allowHTTP1: true, cert: readFileSync(certFile), key: readFileSync(keyFile) }
  for (const protocol of ['grpc', 'connect', 'kratos3'] as const) {
    let begun = 0
    let front: net.Socket | undefined
    const server = http2.createSecureServer(options, () => {
      begun += 1
      front?.write('this is no record of TLS')
    })
    const port = await listening(t, server)
    const ignore = () => undefined
    const relay = net.createServer((socket) => {
      front = socket.on('error', ignore)
      const back = net.connect(port, '127.0.0.1').on('error', ignore)
      socket.pipe(back).pipe(socket)
    })
    const target = `https://127.0.0.1:${await listening(t, relay)}`
    const settings = {
      protocol,
      protocols: overRest,
      tls: { ca: ca.toString() },
      timeoutMs: 60_000,
    }
    await using users = clientOf(User, target, settings)
    const lost = await users.createUser({ name: 'A', email: 'a@example.org' }).catch(caught)
    t.match(lost, { code: Code.Unavailable })
    t.equal(begun, 1, protocol)
  }
})
