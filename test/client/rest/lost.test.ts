import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import tls from 'node:tls'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { test, type Test } from 'tap'
import { overRest } from '../../../src/client/rest/open-node.ts'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { certificates } from '../../help/certificates.ts'
import { answering, listening, peer, transportTo } from './peer.ts'

type Options = Parameters<typeof transportTo>[2]

const usersOf = (t: Test, url: string, options?: Options) =>
  createClient(User, transportTo(t, url, options))

/** How a call fails, with node's codes of its cause. */
async function failure(call: Promise<unknown>) {
  const err = await call.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  if (!(err instanceof ConnectError)) throw err
  const { code, syscall } = (err.cause ?? {}) as { code?: string; syscall?: string }
  return { code: Code[err.code], cause: code, syscall, message: err.rawMessage }
}

const unsent = { code: 'Unavailable', syscall: 'connect', message: /^the peer cannot be reached: / }
const sent = {
  code: 'Unavailable',
  syscall: undefined,
  message: /^the connection to the peer broke: /,
}

async function freePort(t: Test): Promise<number> {
  const server = net.createServer()
  const port = await listening(t, server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

test('a peer that does not listen is unavailable, and nothing was sent', async (t) => {
  const users = usersOf(t, `http://127.0.0.1:${await freePort(t)}`)
  t.match(await failure(users.getUser({ id: 1n })), { ...unsent, cause: 'ECONNREFUSED' })
})

test('a peer that changes the protocol is unavailable', async (t) => {
  const { url } = await peer(t, ({ socket }) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n',
    )
  })
  const users = usersOf(t, url)
  t.match(await failure(users.getUser({ id: 1n })), sent)
  t.match(await failure(users.watchUsers({})[Symbol.asyncIterator]().next()), sent)
})

test('a peer whose name is not known is unavailable, and nothing was sent', async (t) => {
  const users = usersOf(t, 'http://nobody.invalid:80')
  t.match(await failure(users.getUser({ id: 1n })), { ...unsent, cause: /ENOTFOUND|EAI_AGAIN/ })
})

test('a peer that does not finish its handshake is unavailable, and nothing was sent', async (t) => {
  const port = await listening(
    t,
    net.createServer((socket) => socket.on('error', () => undefined).resume()),
  )
  const users = usersOf(t, `https://127.0.0.1:${port}`, { connectTimeoutMs: 50 })
  t.match(await failure(users.getUser({ id: 1n })), { ...unsent, cause: 'ETIMEDOUT' })
})

test('a peer that closes during the handshake is unavailable, and nothing was sent', async (t) => {
  const port = await listening(
    t,
    net.createServer((socket) => socket.destroy()),
  )
  const users = usersOf(t, `https://127.0.0.1:${port}`)
  t.match(await failure(users.getUser({ id: 1n })), { ...unsent, cause: 'ECONNRESET' })
})

test('a peer whose certificate is not trusted is unavailable, and one that is trusted is called', async (t) => {
  const authority = certificates(t)
  const { cert, key } = authority.issue('peer')
  const server = http.createServer(answering(200, '{}'))
  const secure = tls.createServer({ cert, key }, (socket) => server.emit('connection', socket))
  const url = `https://127.0.0.1:${await listening(t, secure)}`
  t.match(await failure(usersOf(t, url).getUser({ id: 1n })), unsent)
  const trusting = usersOf(t, url, { tls: { ca: authority.ca } })
  t.match(await trusting.getUser({ id: 1n }), { id: 0n })
  t.match(await trusting.getUser({ id: 1n }), { id: 0n })
})

for (const dialect of ['kratos2', 'kratos3'] as const)
  test(`a node is opened with its dialect ${dialect}, by the name that its certificate has`, async (t) => {
    const authority = certificates(t)
    const { cert, key } = authority.issue('node', 'DNS:users.internal')
    const types: (string | undefined)[] = []
    const server = http.createServer((request, response) => {
      types.push(request.headers.accept)
      answering(200, '{}')(request, response)
    })
    const secure = tls.createServer({ cert, key }, (socket) => server.emit('connection', socket))
    const address = { name: `127.0.0.1:${await listening(t, secure)}`, secure: true }
    const ca = String(authority.ca)
    for (const serverName of ['users.internal', 'other.internal']) {
      const settings = { connectTimeoutMs: 60_000, tls: { ca, serverName } }
      const node = overRest[dialect](address, settings, [])
      t.teardown(() => node.close())
      const call = createClient(User, node.transport).getUser({ id: 1n })
      if (serverName === 'users.internal') t.match(await call, { id: 0n })
      else t.match(await failure(call), { ...unsent, cause: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    }
    t.strictSame(types, [dialect === 'kratos2' ? 'application/json' : 'application/protojson'])
  })

test('a peer that closes after it has the request is unavailable, and something was sent', async (t) => {
  const { url } = await peer(t, (request) => request.socket.destroy())
  t.match(await failure(usersOf(t, url).getUser({ id: 1n })), { ...sent, cause: 'ECONNRESET' })
})

test('a peer that closes in the middle of its answer is unavailable, and something was sent', async (t) => {
  const { url } = await peer(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '10' })
    response.write('{"id"', () => response.destroy())
  })
  t.match(await failure(usersOf(t, url).getUser({ id: 1n })), { ...sent, cause: 'ECONNRESET' })
})

test('a peer that closes a kept connection loses the call that it had begun', async (t) => {
  const { url } = await peer(t, (request, response) => {
    if (request.method === 'GET') answering(200, '{}')(request, response)
    else request.socket.destroy()
  })
  const users = usersOf(t, url)
  await users.getUser({ id: 1n })
  t.match(await failure(users.createUser({})), { ...sent, cause: 'ECONNRESET' })
})

test('a connection that the peer closes between calls loses none', async (t) => {
  const { server, url } = await peer(t, answering(200, '{}'))
  const users = usersOf(t, url)
  for (let left = 3; left > 0; left -= 1) {
    const connected = once(server, 'connection') as Promise<[net.Socket]>
    await users.createUser({})
    const [socket] = await connected
    const closed = once(socket, 'close')
    socket.end()
    await closed
  }
})

test('a peer that speaks another protocol is internal', async (t) => {
  const smtp = await listening(
    t,
    net.createServer((socket) => {
      socket
        .on('error', () => undefined)
        .resume()
        .end('220 mail.example.org ESMTP\r\n')
    }),
  )
  t.match(await failure(usersOf(t, `http://127.0.0.1:${smtp}`).getUser({ id: 1n })), {
    code: 'Internal',
    message: /^the peer does not answer in HTTP\/1\.1 \(HPE_\w+\)/,
  })
})

for (const [title, options, code] of [
  ['whose caller gives up', () => ({ signal: AbortSignal.timeout(50) }), 'Canceled'],
  ['whose deadline passes', () => ({ timeoutMs: 50 }), 'DeadlineExceeded'],
] as const)
  test(`a call ${title} ends, and its peer sees the connection close`, async (t) => {
    const closed = Promise.withResolvers<void>()
    const { url } = await peer(t, (request) => request.socket.once('close', closed.resolve))
    const err = await failure(usersOf(t, url).getUser({ id: 1n }, options()))
    t.match(err, { code })
    await closed.promise
  })

test('a call that is given up before it begins reaches nobody', async (t) => {
  let calls = 0
  const { url } = await peer(t, () => (calls += 1))
  const err = await failure(usersOf(t, url).getUser({ id: 1n }, { signal: AbortSignal.abort() }))
  t.match(err, { code: 'Canceled' })
  t.equal(calls, 0)
})

test('a call that is given up in the middle of its answer ends', async (t) => {
  const stop = new AbortController()
  const { url } = await peer(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write('{', () => stop.abort())
  })
  const err = await failure(usersOf(t, url).getUser({ id: 1n }, { signal: stop.signal }))
  t.match(err, { code: 'Canceled' })
})

test('a closed transport has closed its connections, and its calls are unavailable and unsent', async (t) => {
  const { server, url } = await peer(t, answering(200, '{}'))
  const transport = transportTo(t, url)
  const users = createClient(User, transport)
  const connected = once(server, 'connection') as Promise<[net.Socket]>
  await users.getUser({ id: 1n })
  const [socket] = await connected
  const closed = once(socket, 'close')
  transport.close()
  await closed
  t.match(await failure(users.getUser({ id: 1n })), unsent)
})

test('a transport that is closed ends its open calls', async (t) => {
  const { server, url } = await peer(t, () => undefined)
  const transport = transportTo(t, url)
  const asked = once(server, 'request')
  const call = failure(createClient(User, transport).getUser({ id: 1n }))
  await asked
  transport.close()
  t.match(await call, sent)
})
