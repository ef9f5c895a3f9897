import { once } from 'node:events'
import http2 from 'node:http2'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { test, type Test } from 'tap'
import { startApp } from '../help/app.ts'
import { exchangeBytes } from './raw.ts'

const expect = 'Expect: 100-continue\r\n'
const end = 'Connection: close\r\n\r\n'
const host = 'Host: localhost\r\n'
const json = 'Content-Type: application/json\r\n'
const createUser = '/api.user.v1.User/CreateUser'
const watch = '/grpc.health.v1.Health/Watch'
const large = 2_000_000
const chunk = '2\r\n{}\r\n0\r\n\r\n'

/** What follows the request line's method and target, and the status of the answer. */
const rows: Record<string, [bytes: (path: string) => string, status: number]> = {
  'a transfer coding beside chunked is not implemented': [
    (path) =>
      `POST ${path} HTTP/1.1\r\n${host}${json}Transfer-Encoding: gzip, chunked\r\n${end}${chunk}`,
    501,
  ],
  'HTTP/2 in the text of HTTP/1.1 is a version that is not supported': [
    (path) => `GET ${path} HTTP/2.0\r\n${host}${end}`,
    505,
  ],
  'HTTP/3 in the text of HTTP/1.1 is a version that is not supported': [
    (path) => `GET ${path} HTTP/3.0\r\n${host}${end}`,
    505,
  ],
  'OPTIONS * is answered without content': [() => `OPTIONS * HTTP/1.1\r\n${host}${end}`, 204],
  'OPTIONS * without a Host is refused': [() => `OPTIONS * HTTP/1.1\r\n${end}`, 400],
  'GET * is no route': [() => `GET * HTTP/1.1\r\n${host}${end}`, 404],
}

for (const [title, [bytes, status]] of Object.entries(rows))
  test(`${title}, on both ports`, async (t) => {
    const { rest, rpc, log } = await startApp(t, { storage: 'sqlite' })
    const paths = [
      [rest.port, '/v1/users'],
      [rpc.port, createUser],
    ] as const
    for (const [port, path] of paths) {
      const answer = await exchangeBytes(port, bytes(path))
      t.equal(answer.status, status, answer.body)
      if (status >= 400) t.match(JSON.parse(answer.body), { message: /./ }, 'one answer')
      else t.equal(answer.body, '')
    }
    const failures = log().filter(({ level }) => level === 'error')
    t.strictSame(failures, [], 'a mistake of the client is no failure of the service')
  })

test('an unknown transfer coding ends the connection, on both ports', async (t) => {
  const { rest, rpc } = await startApp(t, { storage: 'sqlite' })
  for (const { port } of [rest, rpc])
    for (const coding of ['gzip', 'identity', 'xchunked', 'gzip, chunked']) {
      const head = `POST /x HTTP/1.1\r\n${host}${json}Transfer-Encoding: ${coding}\r\n\r\n`
      const { status, headers } = await exchangeBytes(port, head + chunk)
      t.equal(status, 501, coding)
      t.equal(headers.get('connection'), 'close', coding)
    }
})

test('a body that is malformed after its refusal brings no second answer', async (t) => {
  const { rest, rpc } = await startApp(t, { storage: 'sqlite' })
  const broken = `POST /x HTTP/1.1\r\n${host}${json}Transfer-Encoding: chunked\r\n\r\nnot a chunk\r\n`
  for (const { port } of [rest, rpc]) {
    const answer = await exchangeBytes(port, broken)
    t.equal(answer.status, 404)
    t.match(JSON.parse(answer.body), { message: /there is no/ }, 'one answer')
  }
})

test('gRPC over HTTP/1.0, which has no trailers, gets a status in the headers', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const frame = '\0\0\0\0\0'
  const head = `POST /api.user.v1.User/ListUsers HTTP/1.0\r\nContent-Type: application/grpc\r\nContent-Length: 5\r\n\r\n`
  const { headers } = await exchangeBytes(rpc.port, head + frame)
  t.match(headers.get('grpc-status'), /^[1-9]/)
})

test('a body is asked for by 100 Continue only where it is read', async (t) => {
  const { rest, rpc } = await startApp(t, { storage: 'sqlite' })
  const user = '{"name":"Ada","email":"ada@example.com"}'
  const ports = [
    [rest.port, '/v1/users'],
    [rpc.port, createUser],
  ] as const
  const told = (port: number, target: string, length: number) => {
    const head = `POST ${target} HTTP/1.1\r\n${host}${expect}${json}Content-Length: ${length}\r\n\r\n`
    return firstAnswer(t, port, head, user)
  }
  for (const [port, path] of ports) {
    t.match(await told(port, '/x', 100), { statuses: [404], text: /connection: close/i })
    t.match(await told(port, path, user.length), { statuses: [100] })
  }
  const tooLarge = await told(rest.port, '/v1/users', large)
  t.match(tooLarge, { statuses: [413], text: /connection: close/i })
})

/** Path, content type and length of a body that is not wanted, and what the answer says. */
const unwanted: [path: string, type: string, length: number, status: number, says: RegExp][] = [
  [createUser, 'text/plain', 2, 415, /UNSUPPORTED_MEDIA_TYPE/],
  [createUser, 'application/connect+json', 2, 415, /UNSUPPORTED_MEDIA_TYPE/],
  [createUser, 'application/grpc-web-text+json', 2, 200, /grpc-status: ?3/],
  // Each type is named once.
  [createUser, 'application/grpc-web-text+json', 2, 200, /^accept-post: (?!.*n\/json.*n\/json)/m],
  [watch, 'application/json', 2, 415, /UNSUPPORTED_MEDIA_TYPE/],
  [watch, 'application/json', large, 415, /UNSUPPORTED_MEDIA_TYPE/],
  [createUser, 'application/json', large, 429, /BODY_TOO_LARGE/],
  [createUser, 'application/proto', large, 429, /BODY_TOO_LARGE/],
  [createUser, 'Application/Proto', large, 429, /BODY_TOO_LARGE/],
  [createUser, 'application/grpc', large, 200, /grpc-status: ?8/],
  [createUser, 'application/grpc-web', large, 200, /grpc-status: ?8/],
  [createUser, 'application/grpc-web-text', 4 * large, 200, /application\/grpc-web-text\+proto/],
  [watch, 'application/grpc', large, 200, /grpc-status: ?8/],
  [watch, 'application/connect+json', large, 200, /BODY_TOO_LARGE/],
  ['/x', 'application/json', 2, 404, /ROUTE_NOT_FOUND/],
]

test('no body is asked for on the RPC port that is refused for its type or length', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const session = http2.connect(rpc.url)
  t.teardown(() => session.destroy())
  for (const [path, type, length, status, says] of unwanted) {
    const head = `POST ${path} HTTP/1.1\r\n${host}${expect}Content-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`
    const told = { status, asked: false, text: says }
    t.match(await wholeAnswer(t, rpc.port, head), told, `${type} to ${path} over HTTP/1.1`)
    const fields = { ':path': path, 'content-type': type, 'content-length': length }
    t.match(await h2Answer(session, fields, ''), told, `${type} to ${path} over HTTP/2`)
  }
})

/** The header lines of bodies that REST does not take, and their lengths. */
const unwantedByRest: Record<string, [head: Record<string, string | number>, says: RegExp]> = {
  'a type that is not read': [
    { 'content-type': 'text/plain', 'content-length': 2 },
    /accept-post/i,
  ],
  'a type that is not read, and no length': [{ 'content-type': 'text/plain' }, /accept-post/i],
  'no type': [{ 'content-length': 2 }, /accept-post/i],
  'another charset': [
    { 'content-type': 'application/json; charset=utf-16', 'content-length': 2 },
    /charset=utf-16/,
  ],
  'a type that is no type': [{ 'content-type': 'json', 'content-length': 2 }, /accept-post/i],
  'a coding that is not undone': [
    { 'content-type': 'application/json', 'content-encoding': 'lzma', 'content-length': 2 },
    /lzma/,
  ],
  'a type that is not read, and too long': [
    { 'content-type': 'text/plain', 'content-length': large },
    /accept-post/i,
  ],
}

test('no body is asked for on the REST port that is refused for its type or coding', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const session = http2.connect(rest.url)
  t.teardown(() => session.destroy())
  for (const [title, [fields, says]] of Object.entries(unwantedByRest)) {
    const told = { status: 415, asked: false, text: says }
    const lines = Object.entries({ 'transfer-encoding': 'chunked', ...fields })
      .filter(([name]) => name !== 'transfer-encoding' || !('content-length' in fields))
      .map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `POST /v1/users HTTP/1.1\r\n${host}${expect}${lines.join('')}\r\n`
    const answer = await wholeAnswer(t, rest.port, head)
    t.match(answer, { ...told, text: /UNSUPPORTED_MEDIA_TYPE/ }, `${title} over HTTP/1.1`)
    t.match(answer.text, says)
    t.match(
      await h2Answer(session, { ':path': '/v1/users', ...fields }, '{}'),
      told,
      `${title} over HTTP/2`,
    )
  }
})

test('over HTTP/2 a body is asked for where it is read', async (t) => {
  const { rest, rpc } = await startApp(t, { storage: 'sqlite' })
  for (const { url, path } of [
    { ...rest, path: '/v1/users' },
    { ...rpc, path: createUser },
  ]) {
    const session = http2.connect(url)
    t.teardown(() => session.destroy())
    const body = '{"name":"Ada","email":"ada@example.com"}'
    const call = (type: string, at = path) =>
      h2Answer(session, { ':path': at, 'content-type': type }, body)
    t.match(await call('application/json'), { status: url === rest.url ? 200 : 409, asked: true })
    t.match(await call('application/json', '/x'), { status: 404, asked: false })
  }
})

/** The answer to a head until the connection ends. */
async function wholeAnswer(t: Test, port: number, head: string) {
  const socket = net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(head)
  const answer = await text(socket)
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])
  return { status, asked: status === 100, text: answer }
}

/** Sends a head over HTTP/2, and the body if it is asked for. */
async function h2Answer(
  session: http2.ClientHttp2Session,
  head: http2.OutgoingHttpHeaders,
  body: string,
) {
  const fields = { ':method': 'POST', expect: '100-continue', ...head }
  const stream = session.request(fields, { endStream: false })
  let asked = false
  stream.once('continue', () => {
    asked = true
    stream.end(body)
  })
  let seen = ''
  const see = (more: http2.IncomingHttpHeaders) => {
    for (const [name, value] of Object.entries(more)) seen += `${name}: ${String(value)}\n`
  }
  stream.once('response', see).once('trailers', see)
  const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpStatusHeader]
  const received = await text(stream)
  return { status: answer[':status'], asked, text: seen + received }
}

/** Sends a head, and the body once it is asked for; gives the status lines that came until then. */
async function firstAnswer(t: Test, port: number, head: string, body: string) {
  const socket = net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(head)
  const [first] = (await once(socket, 'data')) as [Buffer]
  let text = first.toString()
  if (text.startsWith('HTTP/1.1 100')) {
    socket.write(body)
    const [second] = (await once(socket, 'data')) as [Buffer]
    text += second.toString()
  }
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))
  return { text, statuses }
}
