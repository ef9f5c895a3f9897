import { execFile } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import fastify from 'fastify'
import { test } from 'tap'
import type { Test } from 'tap'
import type { Gate, ListenerLimits, RequestHandler } from '../../../src/server/listener/arrival.ts'
import { dualProtocolListener } from '../../../src/server/listener/listener.ts'
import type { DualListener, ListenerOptions } from '../../../src/server/listener/listener.ts'

const LIMITS: ListenerLimits = {
  maxHeaderBytes: 4096,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 5000,
  maxConcurrentStreams: 10,
  maxConnections: 1000,
}
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
/** HEADERS of stream 1 with END_STREAM and END_HEADERS: GET, http, /, authority x. */
const GET_FRAME = Buffer.from([0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, 0x78])
/** RST_STREAM of stream 1 with CANCEL. */
const RESET_FRAME = Buffer.from([0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8])
const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

type Request = Parameters<RequestHandler>[0]
type Response = http.ServerResponse

/** Both kinds of response do what these tests ask of one. */
function handle(fn: (req: Request, res: Response) => void): RequestHandler {
  return (req, res) => fn(req, res as Response)
}

const echo = handle((req, res) => {
  text(req).then(
    (body) => res.end(`${req.httpVersion} ${req.method} ${req.url} ${body}`),
    () => res.destroy(),
  )
})

async function listen(
  t: Test,
  handler: RequestHandler = echo,
  limits: Partial<ListenerLimits> = {},
  options: ListenerOptions = {},
) {
  const listener = dualProtocolListener(handler, { ...LIMITS, ...limits }, options)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.closeGracefully(0))
  return { listener, port: portOf(listener) }
}

function portOf(listener: net.Server): number {
  return (listener.address() as AddressInfo).port
}

/** A raw client that keeps its own side open and collects what it gets. */
function dial(t: Test, port: number, ...bytes: (string | Uint8Array)[]) {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let received = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])))
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  for (const part of bytes) socket.write(part)
  const ended = Promise.race([once(socket, 'end'), once(socket, 'close')])
  return {
    socket,
    ended: async () => {
      await ended
      return received.toString('latin1')
    },
    until: async (wanted: string) => {
      while (!received.includes(wanted)) await once(socket, 'data')
      return received.toString('latin1')
    },
  }
}

function h1Get(port: number, options: http.RequestOptions = {}) {
  const req = http.get({ port, host: '127.0.0.1', ...options })
  return once(req, 'response').then(async ([res]: http.IncomingMessage[]) => {
    if (res === undefined) throw new Error('no response')
    return { res, body: await text(res) }
  })
}

function h2Connect(t: Test, port: number, options: http2.ClientSessionOptions = {}) {
  const session = http2.connect(`http://127.0.0.1:${port}`, options)
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  return session
}

async function h2Get(session: http2.ClientHttp2Session, path = '/', body?: string) {
  const stream = session.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST' })
  stream.end(body)
  return text(stream)
}

/** Milliseconds until the promise settles. */
async function took(promise: Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await promise
  return performance.now() - begin
}

test('a client that still sends its body gets its refusal', async (t) => {
  const gate: Gate = (arrival) => arrival.refuse({ status: 503, headers: {}, body: 'busy' })
  const { port } = await listen(t, echo, {}, { gate })
  const client = dial(t, port)
  client.socket.pause()
  const body = Buffer.alloc(5_000_000)
  client.socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`)
  await new Promise<void>((resolve) => client.socket.write(body, () => resolve()))
  client.socket.resume()
  t.match(await client.ended(), /^HTTP\/1\.1 503 /)
})

test('HTTP/1.1 and HTTP/2 are served on the same port', async (t) => {
  const { port } = await listen(t)
  t.match(await h1Get(port, { path: '/a' }), { body: '1.1 GET /a ' })
  const session = h2Connect(t, port)
  t.equal(await h2Get(session, '/b', 'hello'), '2.0 POST /b hello')
  t.equal(await h2Get(session, '/c'), '2.0 GET /c ')
})

const run = promisify(execFile)
const curl = await run('curl', ['--version']).catch(() => ({ stdout: '' }))
const skip = curl.stdout.includes('HTTP2') ? false : 'no curl with HTTP/2'

test('curl is served with and without prior knowledge of HTTP/2', { skip }, async (t) => {
  const { port } = await listen(t)
  const get = async (...args: string[]) =>
    (await run('curl', ['-s', '-m', '5', ...args, `http://127.0.0.1:${port}/x`])).stdout
  t.equal(await get(), '1.1 GET /x ')
  t.equal(await get('--http2-prior-knowledge'), '2.0 GET /x ')
  t.equal(await get('--http2'), '1.1 GET /x ', 'an Upgrade to h2c is ignored')
})

test('a preface that comes byte by byte opens an HTTP/2 session', async (t) => {
  const { port } = await listen(t)
  const raw = dial(t, port)
  raw.socket.setNoDelay()
  for (const byte of PREFACE) {
    raw.socket.write(byte)
    await sleep(2)
  }
  raw.socket.write(EMPTY_SETTINGS)
  raw.socket.write(GET_FRAME)
  await raw.until('2.0 GET / ')
})

test('a method that begins as the preface does is HTTP/1.1', async (t) => {
  const { port } = await listen(t)
  const raw = dial(t, port, 'PR')
  raw.socket.setNoDelay()
  await sleep(20)
  raw.socket.write('OPFIND /dav HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  t.match(await raw.ended(), /^HTTP\/1\.1 200 OK\r\n[^]*1\.1 PROPFIND \/dav /)
})

test('a connection that does not say its protocol is dropped after the header timeout', async (t) => {
  const { port } = await listen(t, echo, { headersTimeoutMs: 100 })
  const ms = await took(Promise.all([dial(t, port).ended(), dial(t, port, 'PR').ended()]))
  t.ok(ms > 90 && ms < 1000, `${ms} ms`)
})

test('a connection that ends before its protocol is known is closed at once', async (t) => {
  const { port } = await listen(t)
  const silent = dial(t, port)
  const undecided = dial(t, port, 'PR')
  silent.socket.end()
  undecided.socket.end()
  t.ok((await took(Promise.all([silent.ended(), undecided.ended()]))) < 500)
})

test('headers that do not come to an end are answered with 408', async (t) => {
  const { port } = await listen(t, echo, { headersTimeoutMs: 100 })
  t.match(await dial(t, port, 'GET / HTTP/1.1\r\nHost:').ended(), /^HTTP\/1\.1 408 /)
})

test('a body that does not come to an end is answered with 408', async (t) => {
  const { port } = await listen(t, echo, { headersTimeoutMs: 100, requestTimeoutMs: 100 })
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n'
  t.match(await dial(t, port, head, 'part').ended(), /^HTTP\/1\.1 408 /)
})

test('headers above the limit are refused in both protocols', async (t) => {
  const { port } = await listen(t, echo, { maxHeaderBytes: 2000 })
  const long = 'x'.repeat(3000)
  t.match(await h1Get(port, { headers: { long } }), { res: { statusCode: 431 } })
  const session = h2Connect(t, port)
  await once(session, 'remoteSettings')
  t.equal(session.remoteSettings.maxHeaderListSize, 2000)
  t.equal(session.remoteSettings.maxConcurrentStreams, LIMITS.maxConcurrentStreams)
  await t.rejects(once(session.request({ long }), 'response'))
  t.equal(await h2Get(session), '2.0 GET / ', 'the session goes on')
})

test('idle connections are closed after the keep-alive timeout', async (t) => {
  const { port } = await listen(t, echo, { keepAliveTimeoutMs: 100 })
  const h1 = dial(t, port, GET)
  await h1.until('1.1 GET')
  const session = h2Connect(t, port)
  await h2Get(session)
  const goaway = once(session, 'goaway')
  const ms = await took(goaway)
  t.match(await goaway, [0], 'GOAWAY without an error')
  t.ok(ms > 90 && ms < 1000, `${ms} ms`)
  await h1.ended()
})

test('a session that opens no stream is closed after the keep-alive timeout', async (t) => {
  const { port } = await listen(t, echo, { keepAliveTimeoutMs: 100 })
  await Promise.all([dial(t, port, 'PRI').ended(), dial(t, port, PREFACE, EMPTY_SETTINGS).ended()])
})

test('pings do not keep an idle session open', async (t) => {
  const { port } = await listen(t, echo, { keepAliveTimeoutMs: 100 })
  const session = h2Connect(t, port)
  const pings = setInterval(() => session.closed || session.ping(() => undefined), 20)
  t.teardown(() => clearInterval(pings))
  await once(session, 'goaway')
})

test('a session with a quiet stream outlives the keep-alive timeout', async (t) => {
  const slow = handle((_req, res) => setTimeout(() => res.end('late'), 400))
  const { port } = await listen(t, slow, { keepAliveTimeoutMs: 50 })
  t.equal(await h2Get(h2Connect(t, port)), 'late')
})

test('long answers on all the streams of a session are all delivered', async (t) => {
  const { port } = await listen(
    t,
    handle((_req, res) => void res.end(Buffer.alloc(1_000_000))),
    { maxConcurrentStreams: 50 },
  )
  const session = h2Connect(t, port, { maxSessionMemory: 200 })
  await once(session, 'remoteSettings')
  const answers = await Promise.all(Array.from({ length: 50 }, () => h2Get(session)))
  t.equal(answers.join('').length, 50_000_000)
})

test('a stream above the limit waits for its turn', async (t) => {
  let open = 0
  let most = 0
  const slow = handle((_req, res) => {
    most = Math.max(most, ++open)
    setTimeout(() => {
      open--
      res.end('x')
    }, 20)
  })
  const { port } = await listen(t, slow, { maxConcurrentStreams: 3 })
  const session = h2Connect(t, port)
  await once(session, 'remoteSettings')
  const answers = await Promise.all(Array.from({ length: 9 }, () => h2Get(session)))
  t.equal(answers.join(''), 'xxxxxxxxx')
  t.equal(most, 3)
})

test('an HTTP/2 client that shuts its sending side is let go', async (t) => {
  const { port } = await listen(t)
  const raw = dial(t, port, PREFACE, EMPTY_SETTINGS)
  raw.socket.end()
  t.ok((await took(raw.ended())) < 500)
})

test('a client that leaves the socket open after GOAWAY is cut off', async (t) => {
  const { listener, port } = await listen(t, echo, { keepAliveTimeoutMs: 50 })
  const raw = dial(t, port, PREFACE, EMPTY_SETTINGS)
  await raw.ended()
  t.equal(raw.socket.writable, true)
  while ((await connectionsOf(listener)) > 0) await sleep(20)
})

function connectionsOf(listener: DualListener): Promise<number> {
  return promisify(listener.getConnections.bind(listener))()
}

test('pipelined requests are answered in order', async (t) => {
  const { port } = await listen(
    t,
    handle((req, res) => void setTimeout(() => res.end(`<${req.url}>`), req.url === '/1' ? 50 : 0)),
  )
  const raw = dial(
    t,
    port,
    GET.replace('/', '/1') + GET.replace('/', '/2') + GET.replace('/', '/3'),
  )
  t.match(await raw.until('</3>'), /<\/1>[^]*<\/2>[^]*<\/3>/)
})

test('a client that has shut its sending side gets its answer', async (t) => {
  const { port } = await listen(
    t,
    handle((_req, res) => setTimeout(() => res.end('late'), 100)),
  )
  const raw = dial(t, port)
  raw.socket.end(GET)
  t.match(await raw.ended(), /^HTTP\/1\.1 200 [^]*late$/)
})

test('a call whose client is gone ends', async (t) => {
  const begun = Promise.withResolvers<Response>()
  const { port } = await listen(
    t,
    handle((_req, res) => begun.resolve(res)),
  )
  const raw = dial(t, port, GET)
  const res = await begun.promise
  raw.socket.destroy()
  t.ok((await took(once(res, 'close'))) < 2000)
})

test('a client that expects 100-continue is told to go on', async (t) => {
  const { port } = await listen(t)
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n'
  const raw = dial(t, port, head)
  await raw.until('HTTP/1.1 100 Continue\r\n\r\n')
  raw.socket.write('body')
  await raw.until('1.1 POST / body')
})

test('the handler answers CONNECT, and the connection ends', async (t) => {
  const { port } = await listen(t)
  const raw = dial(t, port, 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n')
  t.match(await raw.ended(), /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*1\.1 CONNECT a:1/)
})

test('the handler answers an expectation that node does not know', async (t) => {
  const { port } = await listen(t)
  const head = 'GET /tea HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nConnection: close\r\n\r\n'
  t.match(await dial(t, port, head).ended(), /1\.1 GET \/tea/)
})

test('garbage is refused and the listener goes on', async (t) => {
  const { port } = await listen(t)
  t.match(await dial(t, port, 'what is this\r\n\r\n').ended(), /^HTTP\/1\.1 400 /)
  t.match(
    await dial(t, port, Buffer.from([22, 3, 1, 0, 5, 1, 0, 0, 1, 0])).ended(),
    /^HTTP\/1\.1 400 /,
  )
  await dial(t, port, 'PRI * HTTP/1.1\r\nHost: x\r\n\r\n').ended()
  await dial(t, port, PREFACE, 'no frame at all, but long enough for one').ended()
  t.match(await h1Get(port), { res: { statusCode: 200 } })
})

test('who listens for clientError answers it', async (t) => {
  const { listener, port } = await listen(t)
  listener.on('clientError', (error: NodeJS.ErrnoException, socket: net.Socket) =>
    socket.end(`mine: ${error.code}`),
  )
  t.equal(await dial(t, port, 'what\r\n\r\n').ended(), 'mine: HPE_INVALID_METHOD')
})

test('connections that are reset at any moment do no harm', async (t) => {
  const { listener, port } = await listen(t)
  const openings = [
    '',
    'P',
    'PRI',
    'GET',
    GET,
    PREFACE,
    PREFACE + EMPTY_SETTINGS.toString('latin1'),
  ]
  for (const opening of openings) {
    for (const ms of [0, 5]) {
      const { socket } = dial(t, port, opening)
      await once(socket, 'connect')
      await sleep(ms)
      socket.resetAndDestroy()
    }
  }
  while ((await connectionsOf(listener)) > 0) await sleep(10)
  t.match(await h1Get(port), { res: { statusCode: 200 } })
})

test('a refusal that comes after its client has reset the stream is no fault', async (t) => {
  const refused = Promise.withResolvers<boolean>()
  const arrived = Promise.withResolvers<void>()
  const gate: Gate = (arrival) => {
    arrival.onClose(() => {
      arrival.refuse({ status: 503, headers: {}, body: 'busy' })
      refused.resolve(arrival.gone())
    })
    arrived.resolve()
  }
  const { port } = await listen(t, echo, {}, { gate })
  const session = h2Connect(t, port)
  const stream = session.request({ ':path': '/' })
  stream.on('error', () => undefined)
  await arrived.promise
  stream.close(http2.constants.NGHTTP2_CANCEL)
  t.equal(await refused.promise, true)
})

test('a request of an HTTP/1.1 connection begins when the one before is answered', async (t) => {
  const begun: Response[] = []
  const { port } = await listen(
    t,
    handle((_req, res) => void begun.push(res)),
  )
  const raw = dial(t, port, GET.repeat(3))
  while (begun.length < 1) await sleep(5)
  await sleep(50)
  t.equal(begun.length, 1)
  begun[0]?.end()
  while (begun.length < 2) await sleep(5)
  raw.socket.destroy()
})

test('an HTTP/2 answer that its client leaves no window for is given up', async (t) => {
  const begun = Promise.withResolvers<Response>()
  const { port } = await listen(
    t,
    handle((_req, res) => {
      res.end('x'.repeat(1000))
      begun.resolve(res)
    }),
    { keepAliveTimeoutMs: 100 },
  )
  const noWindow = Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0])
  const raw = dial(t, port, PREFACE, noWindow, GET_FRAME)
  await once(await begun.promise, 'close')
  await raw.ended()
})

test('an HTTP/1.1 answer that its client does not read is given up', async (t) => {
  const begun = Promise.withResolvers<Response>()
  const { port } = await listen(
    t,
    handle((_req, res) => {
      res.end(Buffer.alloc(50_000_000))
      begun.resolve(res)
    }),
    { keepAliveTimeoutMs: 100 },
  )
  dial(t, port, GET).socket.pause()
  await once(await begun.promise, 'close')
})

test('an answer that its client reads slowly, but reads, is not given up', async (t) => {
  const size = 20_000_000
  const { port } = await listen(
    t,
    handle((_req, res) => void res.end(Buffer.alloc(size))),
    { keepAliveTimeoutMs: 2000 },
  )
  const raw = dial(t, port, GET.replace('Host', 'Connection: close\r\nHost'))
  for (let pauses = 0; pauses < 10; pauses += 1) {
    raw.socket.pause()
    await sleep(300)
    raw.socket.resume()
    await sleep(1)
  }
  t.ok((await raw.ended()).length > size)
})

test('a storm of reset streams ends at most its own session', async (t) => {
  const { port } = await listen(
    t,
    handle((_req, res) => void setTimeout(() => res.end('x'), 5)),
  )
  const session = h2Connect(t, port)
  for (let i = 0; i < 3000 && !session.closed; i++) {
    const stream = session.request({ ':path': '/' })
    stream.on('error', () => undefined)
    stream.close(http2.constants.NGHTTP2_CANCEL)
    if (i % 50 === 0) await sleep(1)
  }
  t.equal(await h2Get(h2Connect(t, port)), 'x')
})

test('a session whose streams were all reset is idle', async (t) => {
  const { port } = await listen(
    t,
    handle(() => undefined),
    { keepAliveTimeoutMs: 100 },
  )
  const session = h2Connect(t, port)
  for (let i = 0; i < 20; i++) {
    const stream = session.request({ ':path': '/' })
    stream.on('error', () => undefined)
    setTimeout(() => stream.close(http2.constants.NGHTTP2_CANCEL), i % 3)
  }
  await once(session, 'goaway')
})

test('a stream that is reset in the packet that opens it leaves its session idle', async (t) => {
  const { port } = await listen(t, echo, { keepAliveTimeoutMs: 100 })
  const frames = Buffer.concat([Buffer.from(PREFACE), EMPTY_SETTINGS, GET_FRAME, RESET_FRAME])
  t.ok((await took(dial(t, port, frames).ended())) < 1000)
})

/** An idle connection of each kind. */
async function idleConnections(t: Test, port: number) {
  const agent = new http.Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  await h1Get(port, { agent, path: '/idle' })
  const session = h2Connect(t, port)
  await h2Get(session, '/idle')
  const silent = dial(t, port)
  const undecided = dial(t, port, 'PR')
  await sleep(20)
  return { gone: Promise.all([once(session, 'close'), silent.ended(), undecided.ended()]) }
}

// Clients get half a second, so that what they have sent already is answered.
test('closing with idle connections only is done after a short linger', async (t) => {
  const { listener, port } = await listen(t)
  const idle = await idleConnections(t, port)
  t.ok((await took(listener.closeGracefully(5000))) < 1000)
  await idle.gone
  t.equal(await connectionsOf(listener), 0)
  await t.rejects(h1Get(port), { code: 'ECONNREFUSED' })
  t.ok((await took(listener.closeGracefully(5000))) < 100, 'and a second time')
})

test('an HTTP/1.1 answer under way at closing is completed and says Connection: close', async (t) => {
  const begun = Promise.withResolvers<Response>()
  const { listener, port } = await listen(
    t,
    handle((_req, res) => begun.resolve(res)),
  )
  const raw = dial(t, port, GET)
  const res = await begun.promise
  const closed = took(listener.closeGracefully(5000))
  await sleep(50)
  res.write('one ')
  await sleep(50)
  res.end('two')
  const answer = await raw.ended()
  t.match(answer, /\r\nConnection: close\r\n/)
  t.match(answer, /one [^]*two/)
  t.ok((await closed) < 500)
})

test('an answer whose headers are gone at closing is completed', async (t) => {
  const begun = Promise.withResolvers<Response>()
  const { listener, port } = await listen(
    t,
    handle((_req, res) => {
      res.write('one ')
      begun.resolve(res)
    }),
  )
  const raw = dial(t, port, GET)
  const res = await begun.promise
  await raw.until('one ')
  const closed = took(listener.closeGracefully(5000))
  await sleep(50)
  res.end('two')
  t.match(await raw.ended(), /keep-alive[^]*one [^]*two[^]*0\r\n\r\n$/)
  t.ok((await closed) < 500)
})

test('an answer that the client reads slowly at closing is not cut', async (t) => {
  const size = 20_000_000
  const begun = Promise.withResolvers<Response>()
  const { listener, port } = await listen(
    t,
    handle((_req, res) => {
      res.end(Buffer.alloc(size))
      begun.resolve(res)
    }),
  )
  const req = http.get({ port, host: '127.0.0.1', agent: new http.Agent({ keepAlive: true }) })
  const [res] = (await once(req, 'response')) as [http.IncomingMessage]
  await begun.promise
  const closed = took(listener.closeGracefully(5000))
  listener.closeIdleConnections()
  await sleep(100)
  t.equal((await text(res)).length, size)
  await closed
})

test('more requests than may be under way on one connection are all answered, in order', async (t) => {
  const { port } = await listen(t)
  const count = 500
  const heads = Array.from({ length: count }, (_, i) =>
    [
      `GET /${i} HTTP/1.1`,
      'Host: x',
      ...(i === count - 1 ? ['Connection: close'] : []),
      '',
      '',
    ].join('\r\n'),
  )
  const text = await dial(t, port, heads.join('')).ended()
  t.strictSame(
    [...text.matchAll(/1\.1 GET \/(\d+)/g)].map(([, i]) => Number(i)),
    heads.map((_, i) => i),
  )
})

test('pipelined requests that have arrived at closing are all answered', async (t) => {
  const begun: Response[] = []
  const { listener, port } = await listen(
    t,
    handle((_req, res) => void begun.push(res)),
  )
  const raw = dial(t, port, GET + GET)
  while (begun.length < 1) await sleep(5)
  const closed = took(listener.closeGracefully(5000))
  begun[0]?.end('first')
  await raw.until('first')
  while (begun.length < 2) await sleep(5)
  raw.socket.write(GET)
  await sleep(50)
  t.equal(begun.length, 2, 'the request after the last answer is not processed')
  begun[1]?.end('second')
  t.match(await raw.ended(), /keep-alive[^]*first[^]*Connection: close[^]*second$/)
  await closed
})

test('a request whose headers are half-way at closing is answered', async (t) => {
  const { listener, port } = await listen(t)
  const fresh = dial(t, port, GET.slice(0, 20))
  const used = dial(t, port, GET)
  await used.until('1.1 GET')
  used.socket.write(GET.slice(0, 20))
  await sleep(50)
  const closed = took(listener.closeGracefully(5000))
  await sleep(50)
  fresh.socket.write(GET.slice(20))
  used.socket.write(GET.slice(20))
  t.match(await fresh.ended(), /Connection: close[^]*1\.1 GET/)
  t.match(await used.ended(), /keep-alive[^]*Connection: close[^]*1\.1 GET/)
  t.ok((await closed) < 500)
})

test('headers that stay half-way at closing run into the header timeout', async (t) => {
  const { listener, port } = await listen(t, echo, { headersTimeoutMs: 200 })
  const raw = dial(t, port, GET.slice(0, 20))
  await sleep(50)
  t.ok((await took(listener.closeGracefully(5000))) < 1000)
  t.match(await raw.ended(), /^HTTP\/1\.1 408 /)
})

test('an HTTP/2 stream under way at closing is completed after GOAWAY', async (t) => {
  const begun = Promise.withResolvers<Response>()
  const { listener, port } = await listen(
    t,
    handle((_req, res) => begun.resolve(res)),
  )
  const session = h2Connect(t, port)
  const answer = h2Get(session)
  const res = await begun.promise
  const goaway = once(session, 'goaway')
  const closed = took(listener.closeGracefully(5000))
  t.match(await goaway, [0])
  res.write('one ')
  await sleep(50)
  res.end('two')
  t.equal(await answer, 'one two')
  t.ok((await closed) < 1000)
})

test('what is stuck when the grace period ends is destroyed', async (t) => {
  const begun: Request[] = []
  const { listener, port } = await listen(
    t,
    handle((req) => void begun.push(req)),
  )
  const raw = dial(t, port, GET)
  const session = h2Connect(t, port)
  const stuck = session.request({ ':path': '/' })
  stuck.on('error', () => undefined)
  while (begun.length < 2) await sleep(5)
  const ms = await took(listener.closeGracefully(100))
  t.ok(ms > 90 && ms < 1000, `${ms} ms`)
  await raw.ended()
  t.equal(await connectionsOf(listener), 0)
})

function fastifyApp(options: { forceCloseConnections?: boolean } = {}) {
  const app = fastify({
    ...options,
    serverFactory: (handler) =>
      dualProtocolListener(handler as RequestHandler, LIMITS) as net.Server as http.Server,
  })
  app.get('/idle', () => 'idle')
  return app
}

test('Fastify closes while connections of each kind are open', async (t) => {
  const app = fastifyApp()
  const begun: unknown[] = []
  app.get('/slow', async (req) => {
    begun.push(req)
    await sleep(200)
    return 'slow'
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const port = portOf(app.server)
  const idle = await idleConnections(t, port)
  const session = h2Connect(t, port)
  const answers = Promise.all([h1Get(port, { path: '/slow' }), h2Get(session, '/slow')])
  while (begun.length < 2) await sleep(5)
  const ms = await took(app.close())
  t.ok(ms < 1000, `${ms} ms`)
  const [h1, h2] = await answers
  t.match(h1, { body: 'slow', res: { headers: { connection: 'close' } } })
  t.equal(h2, 'slow')
  await idle.gone
})

test('Fastify destroys what is under way when it is told to', async (t) => {
  const app = fastifyApp({ forceCloseConnections: true })
  const begun = Promise.withResolvers<void>()
  app.get('/stuck', () => {
    begun.resolve()
    return new Promise(() => undefined)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const raw = dial(t, portOf(app.server), GET.replace('/', '/stuck'))
  await begun.promise
  t.ok((await took(app.close())) < 500)
  t.equal(await raw.ended(), '')
})

test('Fastify answers a client error in its own words', async (t) => {
  const app = fastifyApp()
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.match(await dial(t, portOf(app.server), 'what\r\n\r\n').ended(), /"message":"Client Error"/)
})

test('a process ends by itself once its listener is closed', async (t) => {
  const module = fileURLToPath(new URL('../../../src/server/listener/listener.ts', import.meta.url))
  const limits = JSON.stringify({ ...LIMITS, keepAliveTimeoutMs: 60_000, headersTimeoutMs: 10_000 })
  const script = `
    import http from 'node:http'
    import http2 from 'node:http2'
    import net from 'node:net'
    import { dualProtocolListener } from ${JSON.stringify(module)}
    const listener = dualProtocolListener((req, res) => res.end('ok'), ${limits})
    listener.listen(0, '127.0.0.1', () => {
      const { port } = listener.address()
      net.connect(port, '127.0.0.1').on('error', () => {})
      const h2 = http2.connect('http://127.0.0.1:' + port).request({ ':path': '/' }).toArray()
      http.get({ port, host: '127.0.0.1' }, async (res) => {
        await Promise.all([res.toArray(), h2])
        await listener.closeGracefully(60_000)
        console.log('closed')
      })
    })`
  const args = ['--input-type=module', '-e', script]
  const { stdout } = await run(process.execPath, args, { timeout: 5000 })
  t.equal(stdout, 'closed\n')
})

for (const [when, gate] of Object.entries<Gate>({
  'at once': (arrival) => arrival.begin(),
  'after it has ended': (arrival) => void setTimeout(() => arrival.begin(), 50),
}))
  test(`a request over HTTP/2 whose body is empty is answered, however its end comes, if it begins ${when}`, async (t) => {
    const { port } = await listen(
      t,
      handle((req, res) => {
        req.resume().once('end', () => res.end('ended'))
      }),
      {},
      { gate },
    )
    const session = http2.connect(`http://127.0.0.1:${port}`)
    t.teardown(() => session.destroy())
    const ends: Record<string, (stream: http2.ClientHttp2Stream) => void> = {
      'with an empty frame at once': (stream) => stream.end(),
      'with an empty frame later': (stream) => setTimeout(() => stream.end(), 10),
      'with the headers': () => undefined,
    }
    for (const [how, end] of Object.entries(ends)) {
      const endStream = how === 'with the headers'
      const stream = session.request({ ':method': 'POST', ':path': '/' }, { endStream })
      end(stream)
      t.equal(await text(stream), 'ended', how)
    }
  })
