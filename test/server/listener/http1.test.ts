import net from 'node:net'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import type { Gate } from '../../../src/server/listener/arrival.ts'
import { dial, echo, getRequest, handle, haveRead, listen, type Response } from './listening.ts'
import { until } from '../../help/until.ts'

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

test('headers that do not come to an end are answered with 408', async (t) => {
  const { port } = await listen(t, echo, { headersTimeoutMs: 100 })
  t.match(await dial(t, port, 'GET / HTTP/1.1\r\nHost:').ended(), /^HTTP\/1\.1 408 /)
})

test('a body that does not come to an end is answered with 408', async (t) => {
  const { port } = await listen(t, echo, { headersTimeoutMs: 100, requestTimeoutMs: 100 })
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n'
  t.match(await dial(t, port, head, 'part').ended(), /^HTTP\/1\.1 408 /)
})

test('pipelined requests are answered in order', async (t) => {
  const first = Promise.withResolvers<Response>()
  const { port, sockets } = await listen(
    t,
    handle((req, res) => {
      if (req.url === '/1') first.resolve(res)
      else res.end(`<${req.url}>`)
    }),
  )
  const requests = ['/1', '/2', '/3'].map((path) => getRequest.replace('/', path)).join('')
  const raw = dial(t, port, requests)
  const slow = await first.promise
  await haveRead(sockets, 0, requests.length)
  slow.end('</1>')
  t.match(await raw.until('</3>'), /<\/1>[^]*<\/2>[^]*<\/3>/)
})

test('bytes behind a request that are none end the connection after its answer', async (t) => {
  const slow = Promise.withResolvers<Response>()
  const { listener, port, sockets } = await listen(
    t,
    handle((_req, res) => slow.resolve(res)),
  )
  refuseMalformed(listener)
  const packet = `${getRequest}GARBAGE\r\n\r\n`
  const raw = dial(t, port, packet)
  const answer = await slow.promise
  await haveRead(sockets, 0, packet.length)
  raw.socket.write('and more of it\r\n\r\n')
  await haveRead(sockets, 0, packet.length + 18)
  answer.end('done')
  const got = await raw.ended()
  t.match(got, /^HTTP\/1\.1 200 [^]*done$/)
  t.notMatch(got, / 400 /)
})

test('a request that stops half-way while the one before is served takes nothing of its answer', async (t) => {
  const slow = Promise.withResolvers<Response>()
  const { listener, port, sockets } = await listen(
    t,
    handle((_req, res) => slow.resolve(res)),
  )
  refuseMalformed(listener)
  const packet = `${getRequest}GET /second HT`
  const raw = dial(t, port, packet)
  const answer = await slow.promise
  raw.socket.end()
  await haveRead(sockets, 0, packet.length)
  answer.end('done')
  t.match(await raw.ended(), /^HTTP\/1\.1 200 [^]*done$/)
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

test('a request of an HTTP/1.1 connection begins when the one before is answered', async (t) => {
  const begun: Response[] = []
  const { port, sockets } = await listen(
    t,
    handle((_req, res) => void begun.push(res)),
  )
  const raw = dial(t, port, getRequest.repeat(3))
  await until('the beginning of the requests', () => begun.length === 1)
  await haveRead(sockets, 0, 3 * getRequest.length)
  t.equal(begun.length, 1)
  begun[0]?.end()
  await until('the beginning of the requests', () => begun.length === 2)
  raw.socket.destroy()
})

test('a client that has shut its sending side gets its answer', async (t) => {
  const { port } = await listen(
    t,
    handle(({ socket }, res) => socket.once('end', () => res.end('late'))),
  )
  const raw = dial(t, port)
  raw.socket.end(getRequest)
  t.match(await raw.ended(), /^HTTP\/1\.1 200 [^]*late$/)
})

test('a call whose client is gone ends', async (t) => {
  const begun = Promise.withResolvers<Response>()
  const { port } = await listen(
    t,
    handle((_req, res) => begun.resolve(res)),
  )
  const raw = dial(t, port, getRequest)
  const res = await begun.promise
  raw.socket.destroy()
  await once(res, 'close')
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

test('CONNECT behind a request that is not answered ends its connection, and no other', async (t) => {
  const { port } = await listen(t)
  const raw = dial(t, port, `${getRequest}CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n`)
  t.equal(await raw.ended(), '')
  t.match(await dial(t, port, getRequest).until('GET /'), /^HTTP\/1\.1 200 /)
})

test('the handler answers an expectation that node does not know', async (t) => {
  const { port } = await listen(t)
  const head = 'GET /tea HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nConnection: close\r\n\r\n'
  t.match(await dial(t, port, head).ended(), /1\.1 GET \/tea/)
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
  dial(t, port, getRequest).socket.pause()
  await once(await begun.promise, 'close')
})

test('an answer that its client reads slowly, but reads, is not given up', async (t) => {
  const size = 20_000_000
  const { port } = await listen(
    t,
    handle((_req, res) => void res.end(Buffer.alloc(size))),
    { keepAliveTimeoutMs: 5000 },
  )
  const socket = net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let received = 0
  socket.on('data', (chunk: Buffer) => (received += chunk.length))
  const ended = once(socket, 'end')
  socket.write(getRequest.replace('Host', 'Connection: close\r\nHost'))
  // Longer in all than the timeout, each pause much shorter.
  for (let pauses = 0; pauses < 20; pauses += 1) {
    socket.pause()
    await sleep(300)
    socket.resume()
    await sleep(1)
  }
  await ended
  t.ok(received > size)
})

test('requests that have arrived together are all read before the first of them begins', async (t) => {
  const readAtBegin: number[][] = []
  const { port, sockets } = await listen(
    t,
    handle((_req, res) => {
      readAtBegin.push(sockets.map(({ bytesRead }) => bytesRead))
      res.end()
    }),
  )
  const clients = [dial(t, port), dial(t, port)]
  await until('two connections', () => sockets.length === 2)
  // Both requests are in their sockets before the event loop looks at either.
  for (const { socket } of clients) socket.write(getRequest)
  await until('two answers', () => readAtBegin.length === 2)
  t.same(readAtBegin[0], [getRequest.length, getRequest.length])
})

/** As both ports of the service do. */
function refuseMalformed(listener: net.Server): void {
  listener.on('clientError', (_error, socket: net.Socket) =>
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  )
}
