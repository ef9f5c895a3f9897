import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import type { RequestHandler } from '../../../src/server/listener/arrival.ts'
import { dualProtocolListener } from '../../../src/server/listener/listener.ts'
import { startApp } from '../../help/app.ts'
import { patientLimits } from '../../help/limits.ts'
import { until } from '../../help/until.ts'

const createUser = '/api.user.v1.User/CreateUser'
const tooMuch = Buffer.alloc(200_000, ' ')
/** Hanging is the failure that these tests are about. */
const patience = () => ({ signal: AbortSignal.timeout(60_000) })

async function listen(t: Test, handler: RequestHandler): Promise<number> {
  const listener = dualProtocolListener(handler, patientLimits)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.closeGracefully(0))
  return (listener.address() as AddressInfo).port
}

function h2Session(t: Test, port: number): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  return session
}

/** Answers after the first bytes of the body and leaves the rest, as a handler that throws does. */
function answerEarly(req: Parameters<RequestHandler>[0], res: Parameters<RequestHandler>[1]) {
  async function answer(): Promise<void> {
    for await (const chunk of req.iterator({ destroyOnReturn: false })) if (chunk) break
    const response = res as http.ServerResponse
    response.writeHead(200, { trailer: 'x-last' })
    response.write('enough')
    response.addTrailers({ 'x-last': 'yes' })
    response.end()
  }
  void answer().catch(() => res.destroy())
}

test('over HTTP/2, an answer before the end of its request ends the stream on both sides', async (t) => {
  const closed = Promise.withResolvers<void>()
  const port = await listen(t, (req, res) => {
    res.once('close', closed.resolve)
    answerEarly(req, res)
  })
  const stream = h2Session(t, port).request({ ':method': 'POST', ':path': '/' })
  stream.write(tooMuch)
  const trailers = once(stream, 'trailers', patience())
  const ended = once(stream, 'close', patience())
  t.equal(await text(stream), 'enough')
  t.match(await trailers, [{ 'x-last': 'yes' }])
  await ended
  t.equal(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR)
  await closed.promise
})

test('over HTTP/2, an answer that waits for its client is not cut short', async (t) => {
  const answer = 'x'.repeat(500_000)
  const port = await listen(t, (req, res) => {
    req.once('data', () => (res as http.ServerResponse).end(answer))
  })
  const stream = h2Session(t, port).request({ ':method': 'POST', ':path': '/' })
  stream.write('begin')
  await once(stream, 'response', patience())
  // The window is full, and the answer has ended for the server.
  await sleep(50)
  t.equal((await text(stream)).length, answer.length)
})

test('over HTTP/1.1, a body that nobody read to its end does not stop its connection', async (t) => {
  const port = await listen(t, (req, res) => {
    if (req.url === '/next') (res as http.ServerResponse).end('the next')
    else answerEarly(req, res)
  })
  const socket = net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${tooMuch.length}\r\n\r\n`)
  socket.write(tooMuch)
  while (!received.includes('enough')) await once(socket, 'data', patience())
  socket.write('GET /next HTTP/1.1\r\nHost: x\r\n\r\n')
  while (!received.includes('the next')) await once(socket, 'data', patience())
  t.equal(received.match(/HTTP\/1.1 200/g)?.length, 2)
})

function envelope(payload: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(payload.byteLength, 1)
  return Buffer.concat([head, payload])
}

const bodies = {
  'application/json': tooMuch,
  'application/proto': tooMuch,
  'application/grpc': envelope(tooMuch),
  'application/grpc-web': envelope(tooMuch),
}

for (const [which, send] of [
  ['goes on', (stream: http2.ClientHttp2Stream, body: Buffer) => stream.write(body)],
  // Less than the window, so that all of it is there before the answer.
  [
    'ended',
    (stream: http2.ClientHttp2Stream, body: Buffer) => stream.end(body.subarray(0, 60_000)),
  ],
] as const)
  test(`over HTTP/2, a body over the limit that ${which} leaves no exchange open`, async (t) => {
    const { rpc, rest, log } = await startApp(t, { storage: 'sqlite', maxBodyBytes: 2048 })
    const rpcSession = h2Session(t, rpc.port)
    const calls = Object.entries(bodies).map(([type, body]) => ({
      session: rpcSession,
      path: createUser,
      type,
      body,
    }))
    const restSession = h2Session(t, rest.port)
    calls.push({ session: restSession, path: '/v1/users', type: 'application/json', body: tooMuch })
    for (const { session, path, type, body } of calls) {
      const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': type })
      send(stream, body)
      stream.resume()
      await once(stream, 'close', patience())
      t.equal(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR, `${path} ${type}`)
    }
    const refused = () => log().filter(({ reason }) => reason === 'BODY_TOO_LARGE').length
    await until('a line for each refusal', () => refused() >= calls.length)
    t.equal(refused(), calls.length)
  })

test('over HTTP/2, a call of one message is answered when its client has sent it', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite', maxBodyBytes: 2048 })
  const session = h2Session(t, rpc.port)
  for (const [type, body] of Object.entries(bodies)) {
    const stream = session.request({
      ':method': 'POST',
      ':path': createUser,
      'content-type': type,
      'content-length': body.byteLength,
    })
    stream.write(body.subarray(0, 100_000))
    const answered = once(stream, 'response', patience())
    // Refused by now, if nothing held the answer back.
    await sleep(50)
    const first = await Promise.race([answered.then(() => 'answered'), Promise.resolve('waiting')])
    t.equal(first, 'waiting', type)
    stream.end(body.subarray(100_000))
    await answered
    stream.resume()
    await once(stream, 'close', patience())
    t.equal(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR, type)
  }
})
