import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import { type LogLine, type RunningApp, startApp } from '../help/app.ts'
import { callers, protocols } from './callers.ts'
import { exchange, exchangeBytes } from './raw.ts'
import { until } from '../help/until.ts'

const json = { 'Content-Type': 'application/json' }
const operation = (method: string) => `/api.user.v1.User/${method}`

/** The lines that come after `act`, once there are as many as expected and time for one more. */
async function linesOf(app: RunningApp, count: number, act: () => unknown): Promise<LogLine[]> {
  const before = app.log().length
  await act()
  await until(`${count} lines`, () => app.log().length >= before + count)
  await sleep(30)
  return app.log().slice(before)
}

/** Checks that there is one access line, with what each has, and gives it. */
function onlyLine(t: Test, lines: LogLine[], want: Record<string, unknown>): LogLine | undefined {
  const [line] = lines
  t.equal(lines.length, 1, 'one line for one exchange')
  t.match(line, { kind: 'server', latency: Number, ...want })
  t.ok(Number(line?.['latency']) > 0 && Number(line?.['latency']) < 60, 'latency in seconds')
  return line
}

const protocolNames = {
  REST: 'rest',
  'Connect JSON': 'connect',
  'Connect binary': 'connect',
  gRPC: 'grpc',
  'gRPC-Web': 'grpc-web',
} as const

test('a call that succeeds has one line, over each protocol', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const calls = callers(app)
  for (const protocol of protocols) {
    const lines = await linesOf(app, 1, () => calls[protocol]('listUsers', {}))
    onlyLine(t, lines, {
      level: 'info',
      protocol: protocolNames[protocol],
      operation: operation('ListUsers'),
      code: 200,
      reason: '',
    })
  }
})

test('a call that is refused has one line with the reason, over each protocol', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const calls = callers(app)
  for (const protocol of protocols) {
    const common = { level: 'info', protocol: protocolNames[protocol] }
    const missing = await linesOf(app, 1, () => calls[protocol]('getUser', { id: '42' }))
    const get = { operation: operation('GetUser'), code: 404, reason: 'USER_NOT_FOUND' }
    onlyLine(t, missing, { ...common, ...get })
    const invalid = await linesOf(app, 1, () => calls[protocol]('createUser', {}))
    const create = { operation: operation('CreateUser'), code: 400, reason: 'INVALID_USER_INPUT' }
    onlyLine(t, invalid, { ...common, ...create })
  }
})

test('what no route has has one line without an operation', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const [{ port }, protocol] of [
    [app.rest, 'rest'],
    [app.rpc, 'connect'],
  ] as const) {
    const lines = await linesOf(app, 1, () => exchange(port, { target: '/nowhere?q=1' }))
    const line = onlyLine(t, lines, { protocol, operation: '', method: 'GET', code: 404 })
    t.match(line, { reason: 'ROUTE_NOT_FOUND', path: '/nowhere' })
  }
})

test('what is refused before there is a call has one line', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const post = { method: 'POST', headers: json, body: '{' }
  const cases = [
    [app.rest, { ...post, target: '/v1/users' }, 'CreateUser', 400, 'MALFORMED_BODY'],
    [app.rpc, { ...post, target: operation('CreateUser') }, 'CreateUser', 400, 'MALFORMED_BODY'],
    [app.rest, { target: '/v1/users/x' }, 'GetUser', 400, 'INVALID_PARAMETER'],
    [app.rest, { target: '/v1/users/%ZZ' }, '', 400, 'MALFORMED_URL'],
    [app.rest, { method: 'PUT', target: '/v1/users' }, '', 405, 'METHOD_NOT_ALLOWED'],
    [app.rpc, { target: operation('CreateUser') }, 'CreateUser', 405, 'METHOD_NOT_ALLOWED'],
  ] as const
  for (const [{ port }, request, method, code, reason] of cases) {
    const lines = await linesOf(app, 1, () => exchange(port, request))
    onlyLine(t, lines, { level: 'info', operation: method && operation(method), code, reason })
  }
})

test('garbage has one line', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const { port } of [app.rest, app.rpc]) {
    const lines = await linesOf(app, 1, () => exchangeBytes(port, 'hello\r\n\r\n'))
    t.equal(lines.length, 1)
    t.match(lines, [{ operation: '', code: 400, reason: 'MALFORMED_REQUEST' }])
  }
})

test('garbage after the preface of HTTP/2 has one line', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const { port } of [app.rest, app.rpc]) {
    const bytes = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frame at all, but long enough for one'
    const lines = await linesOf(app, 1, async () => {
      const socket = net.connect({ port, host: '127.0.0.1' })
      socket.on('error', () => undefined).resume()
      socket.write(bytes)
      await new Promise((resolve) => socket.once('close', resolve))
    })
    t.match(lines, [{ level: 'info', code: 400, reason: 'MALFORMED_REQUEST' }])
    t.equal(lines.length, 1)
  }
})

test('a body that turns out to be garbage has one line', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const head = `Host: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n`
  for (const [{ port }, path] of [
    [app.rest, '/v1/users'],
    [app.rpc, operation('CreateUser')],
  ] as const) {
    const lines = await linesOf(app, 1, () =>
      exchangeBytes(port, `POST ${path} HTTP/1.1\r\n${head}`),
    )
    t.equal(lines.length, 1, 'one line')
    t.match(lines[0], { code: 400, reason: 'MALFORMED_REQUEST' })
  }
})

test('what node:http would answer by itself has one line', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const bytes of [
    'GET /v1/users HTTP/1.1\r\nConnection: close\r\n\r\n',
    'GET /v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: tea\r\n\r\n',
    'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
  ]) {
    const lines = await linesOf(app, 1, () => exchangeBytes(app.rest.port, bytes))
    t.equal(lines.length, 1, bytes.split('\r\n', 1)[0] ?? '')
  }
})

/** Opens a request with a body that never ends, and leaves. */
async function leaveHttp1(port: number, path: string): Promise<void> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`)
  socket.write('Expect: 100-continue\r\nContent-Length: 100\r\n\r\n{')
  // 100 Continue: the body is being read.
  await once(socket, 'data')
  socket.resetAndDestroy()
}

async function leaveHttp2(
  url: string,
  path: string,
  type: string,
  { body = '\0', headers = {} } = {},
): Promise<void> {
  const session = http2.connect(url)
  session.on('error', () => undefined)
  const own = { ':path': path, ':method': 'POST', 'content-type': type, expect: '100-continue' }
  const stream = session.request({ ...own, ...headers })
  stream.on('error', () => undefined)
  stream.write(body)
  // The call has begun.
  await once(stream, 'continue')
  // Not close(): node's client ends its side of the stream first, and the request would be whole.
  stream.destroy()
  session.close()
}

test('a client that leaves in the middle of its request has one line with 499', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const create = operation('CreateUser')
  const cases = [
    ['rest', () => leaveHttp1(app.rest.port, '/v1/users')],
    ['rest', () => leaveHttp2(app.rest.url, '/v1/users', 'application/json')],
    ['connect', () => leaveHttp1(app.rpc.port, create)],
    ['connect', () => leaveHttp2(app.rpc.url, create, 'application/json')],
    ['grpc', () => leaveHttp2(app.rpc.url, create, 'application/grpc')],
    ['grpc-web', () => leaveHttp2(app.rpc.url, create, 'application/grpc-web')],
  ] as const
  for (const [protocol, leave] of cases) {
    const lines = await linesOf(app, 1, leave)
    const known = { code: 499, reason: 'CANCELED' }
    onlyLine(t, lines, { level: 'info', protocol, operation: create, ...known })
  }
})

test('a client that leaves short of its Content-Length has one line with 499', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const [url, path] of [
    [app.rest.url, '/v1/users'],
    [app.rpc.url, operation('CreateUser')],
  ] as const) {
    const lines = await linesOf(app, 1, () =>
      leaveHttp2(url, path, 'application/json', { headers: { 'content-length': '100' } }),
    )
    t.equal(lines.length, 1)
    t.match(lines[0], { code: 499, reason: 'CANCELED' }, path)
  }
})

test('a client that leaves before its answer has one line', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const { port } of [app.rest, app.rpc]) {
    const lines = await linesOf(app, 1, async () => {
      const request = http.get({ port, host: '127.0.0.1', path: '/v1/users' })
      request.on('error', () => undefined)
      await once(request, 'finish')
      request.destroy()
      await exchange(port, { target: '/next' })
    })
    const left = lines.filter(({ path }) => path === '/v1/users')
    t.ok(left.length <= 1, 'not more than one line; none if nothing had been sent')
  }
})

test('a request that is cancelled before its end is not carried out', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const [url, path] of [
    [app.rest.url, '/v1/users'],
    [app.rpc.url, operation('CreateUser')],
  ] as const)
    await linesOf(app, 1, () =>
      leaveHttp2(url, path, 'application/json', {
        body: `{"name":"A","email":"a${path.length}@b.c"}`,
      }),
    )
  const { body } = await exchange(app.rest.port, { target: '/v1/users' })
  t.match(JSON.parse(body), { users: [], total: 0 }, 'nobody is created')
})

test('a connection that says nothing has no line', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const lines = await linesOf(app, 0, async () => {
    const socket = net.connect({ port: app.rest.port, host: '127.0.0.1' })
    await once(socket, 'connect')
    socket.destroy()
  })
  t.strictSame(lines, [])
})

test('each of many exchanges on one connection has its line', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const calls = callers(app)
  const lines = await linesOf(app, 100, () =>
    Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        calls[protocols[index % protocols.length] ?? 'REST']('listUsers', {}),
      ),
    ),
  )
  t.equal(lines.length, 100)
})

function breakDatabase({ database }: RunningApp): void {
  using db = new DatabaseSync(database)
  db.exec('DROP TABLE users')
}

test('a failure of ours is logged once, as an error with its cause', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const calls = callers(app)
  breakDatabase(app)
  for (const protocol of protocols) {
    let outcome: unknown
    const lines = await linesOf(app, 1, async () => {
      outcome = await calls[protocol]('getUser', { id: '1' })
    })
    const line = onlyLine(t, lines, { level: 'error', operation: operation('GetUser') })
    t.ok(Number(line?.['code']) >= 500)
    t.match(line, { err: { message: /./, stack: /\n {4}at / } })
    t.notMatch(JSON.stringify(outcome), /select|sqlite|database is|\.ts|\n\s+at /i)
  }
})

test("a client's mistake is never logged as an error", async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const mistakes = [
    ['application/grpc+proto', [0, 0, 0, 0, 3, 0x0a, 9, 0x61], 'protobuf that ends early'],
    ['application/grpc', [1, 0, 0, 0, 1, 0], 'a compressed message without a compression'],
  ] as const
  for (const [type, bytes, what] of mistakes) {
    const lines = await linesOf(app, 1, () =>
      fetch(app.rpc.url + operation('CreateUser'), {
        method: 'POST',
        headers: { 'Content-Type': type },
        body: Uint8Array.from(bytes),
      }).then((answer) => answer.bytes()),
    )
    t.equal(lines.length, 1)
    t.match(lines, [{ level: 'info' }], what)
    t.ok(JSON.stringify(lines).length < 1000, 'a short line')
  }
})

const framing = {
  'application/connect+json': {
    head: 'connect-content-encoding',
    message: [0, 0, 0, 0, 2, 123, 125],
  },
  'application/grpc': { head: 'grpc-encoding', message: [0, 0, 0, 0, 0] },
  'application/grpc-web': { head: 'grpc-encoding', message: [0, 0, 0, 0, 0] },
}

test('a stream that is sent wrong is a mistake of its client, over each protocol', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const [type, { head, message }] of Object.entries(framing))
    for (const [what, reason, bytes, headers] of [
      ['no message', 'MALFORMED_REQUEST', [], {}],
      ['two messages', 'MALFORMED_REQUEST', [...message, ...message], {}],
      ['an unknown compression', 'MALFORMED_REQUEST', message, { [head]: 'zippy' }],
      ['a compression that no header names', 'MALFORMED_BODY', [1, ...message.slice(1)], {}],
    ] as const) {
      const send = () =>
        fetch(app.rpc.url + operation('ExportUsers'), {
          method: 'POST',
          headers: { 'Content-Type': type, ...headers },
          body: Uint8Array.from(bytes),
        }).then((answer) => answer.bytes())
      const lines = (await linesOf(app, 1, send)).filter(({ msg }) => msg !== 'stream')
      onlyLine(t, lines, { level: 'info', msg: 'request', code: 400, reason })
      t.notOk(lines[0]?.['err'], `${what}, ${type}`)
    }
})

test('no line has the mail address, the name or the phone of anybody', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const secret = { name: 'Hedwig Kiesler', email: 'hedwig@example.com', phone: '+43 1 998877' }
  for (const call of Object.values(callers(app))) {
    const { message } = (await call('createUser', secret)) as { message?: { id: string } }
    await call('createUser', { ...secret, name: '' })
    await call('createUser', { ...secret, email: 'hedwig@example..com' })
    await call('createUser', { ...secret, phone: '998877x' })
    await call('createUser', { ...secret, phone: '998877\0' })
    await call('updateUser', { id: '42', user: secret })
    await call('listUsers', { pageToken: secret.email })
    await call('updateUser', { id: '1', user: secret, updateMask: 'hedwig' })
    if (message) await call('getUser', { id: message.id })
  }
  for (const { url } of [app.rest, app.rpc])
    for (const path of ['/v1/users', operation('CreateUser')]) {
      const query = `?email=${secret.email}&hedwig=1`
      for (const body of [`{"name":"${secret.name}`, `{"email":["${secret.email}"]}`])
        await fetch(url + path, { method: 'POST', headers: json, body })
      await fetch(url + path + query)
    }
  breakDatabase(app)
  for (const call of Object.values(callers(app))) {
    await call('createUser', secret)
    await call('updateUser', { id: '1', user: secret })
  }
  await exchange(app.rest.port, { target: '/last' })
  await until('the last line', () => app.log().some(({ path }) => path === '/last'))
  const lines = JSON.stringify(app.log())
  t.ok(app.log().length > 50)
  t.ok(app.log().some(({ level }) => level === 'error'))
  t.notMatch(lines, /hedwig|kiesler|998877/i)
})

test('a mail address in the path of a request is not logged', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const shown = {
    '/v1/users/hedwig@example.com': '/v1/users/REDACTED',
    '/v1/orders/hedwig@example.com:cancel': '/v1/orders/REDACTED:cancel',
    '/v1/orders/7:cancel': '/v1/orders/7:cancel',
    '/v1/orders/hedwig:7': '/v1/orders/REDACTED',
  }
  for (const [target, path] of Object.entries(shown)) {
    const method = target.endsWith(':cancel') ? 'POST' : 'GET'
    const lines = await linesOf(app, 1, () => exchange(app.rest.port, { method, target }))
    t.notMatch(JSON.stringify(lines), /hedwig/)
    t.match(lines, [{ path }])
  }
})
