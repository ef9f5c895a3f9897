import { execFile } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { loadTls } from '../../../src/server/listener/tls.ts'
import { certificates } from '../../help/certificates.ts'
import {
  connectionsOf,
  dial,
  echo,
  getRequest,
  h1Get,
  h2Connect,
  h2Get,
  handle,
  haveRead,
  idleConnections,
  limits,
  listen,
  type Request,
  type Response,
} from './listening.ts'
import { until } from '../../help/until.ts'

// Clients get half a second, so that what they have sent already is answered.
test('closing with idle connections only is done after a short linger', async (t) => {
  const { listener, port } = await listen(t)
  const idle = await idleConnections(t, port)
  await listener.closeGracefully(60_000)
  await idle.gone
  t.equal(await connectionsOf(listener), 0)
  await t.rejects(h1Get(port), { code: 'ECONNREFUSED' })
  await listener.closeGracefully(60_000)
})

test('an HTTP/1.1 answer under way at closing is completed and says Connection: close', async (t) => {
  const begun = Promise.withResolvers<Response>()
  const { listener, port } = await listen(
    t,
    handle((_req, res) => begun.resolve(res)),
  )
  const raw = dial(t, port, getRequest)
  const res = await begun.promise
  const closed = listener.closeGracefully(60_000)
  res.write('one ')
  await raw.until('one ')
  res.end('two')
  const answer = await raw.ended()
  t.match(answer, /\r\nConnection: close\r\n/)
  t.match(answer, /one [^]*two/)
  await closed
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
  const raw = dial(t, port, getRequest)
  const res = await begun.promise
  await raw.until('one ')
  const closed = listener.closeGracefully(60_000)
  res.end('two')
  t.match(await raw.ended(), /keep-alive[^]*one [^]*two[^]*0\r\n\r\n$/)
  await closed
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
  const closed = listener.closeGracefully(60_000)
  listener.closeIdleConnections()
  t.equal((await text(res)).length, size)
  await closed
})

test('closing is done when the end of each exchange that it cut off has been told', async (t) => {
  const begun: string[] = []
  const ended: string[] = []
  const { listener, port } = await listen(
    t,
    handle((req, res) => {
      begun.push(req.url ?? '')
      res.write('part')
      res.once('close', () => ended.push(req.url ?? ''))
    }),
  )
  for (const path of ['/1', '/2', '/3']) dial(t, port, getRequest.replace('/', path))
  await until('three answers under way', () => begun.length === 3)
  await listener.closeGracefully(1)
  t.same(ended.toSorted(), begun.toSorted())
})

test('pipelined requests that have arrived at closing are all answered', async (t) => {
  const begun: Response[] = []
  const { listener, port, sockets } = await listen(
    t,
    handle((_req, res) => void begun.push(res)),
  )
  const raw = dial(t, port, getRequest + getRequest)
  await until('the beginning of the requests', () => begun.length === 1)
  const closed = listener.closeGracefully(60_000)
  begun[0]?.end('first')
  await raw.until('first')
  await until('the beginning of the requests', () => begun.length === 2)
  raw.socket.write(getRequest)
  await haveRead(sockets, 0, 3 * getRequest.length)
  t.equal(begun.length, 2, 'the request after the last answer is not processed')
  begun[1]?.end('second')
  t.match(await raw.ended(), /keep-alive[^]*first[^]*Connection: close[^]*second$/)
  await closed
})

test('a request whose headers are half-way at closing is answered', async (t) => {
  const { listener, port, sockets } = await listen(t)
  const fresh = dial(t, port, getRequest.slice(0, 20))
  await until('a connection', () => sockets.length === 1)
  const used = dial(t, port, getRequest)
  await used.until('1.1 GET')
  used.socket.write(getRequest.slice(0, 20))
  await haveRead(sockets, 0, 20)
  await haveRead(sockets, 1, getRequest.length + 20)
  const closed = listener.closeGracefully(60_000)
  fresh.socket.write(getRequest.slice(20))
  used.socket.write(getRequest.slice(20))
  t.match(await fresh.ended(), /Connection: close[^]*1\.1 GET/)
  t.match(await used.ended(), /keep-alive[^]*Connection: close[^]*1\.1 GET/)
  await closed
})

test('headers that stay half-way at closing run into the header timeout', async (t) => {
  const { listener, port, sockets } = await listen(t, echo, { headersTimeoutMs: 200 })
  const raw = dial(t, port, getRequest.slice(0, 20))
  await haveRead(sockets, 0, 20)
  await listener.closeGracefully(60_000)
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
  const closed = listener.closeGracefully(60_000)
  t.match(await goaway, [0])
  res.write('one ')
  res.end('two')
  t.equal(await answer, 'one two')
  await closed
})

/** What a client of TLS sends first. */
async function clientHello(t: Test): Promise<Buffer> {
  const [inner, outer] = duplexPair()
  const client = tls.connect({ socket: inner })
  client.on('error', () => undefined)
  t.teardown(() => client.destroy())
  const [hello] = (await once(outer, 'data')) as [Buffer]
  return hello
}

test('over TLS, closing does not wait for handshakes, and ends no answer under way', async (t) => {
  const { certFile, keyFile } = certificates(t).issue('server')
  const files = { certFile, keyFile, minVersion: 'TLSv1.2', clientCaFile: '' } as const
  const secure = loadTls(files, { unusable: (err) => t.fail(err), refused: (why) => t.fail(why) })
  const begun = Promise.withResolvers<Response>()
  const { listener, port, sockets } = await listen(
    t,
    handle((_req, res) => begun.resolve(res)),
    {},
    { tls: secure },
  )
  const client = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  client.write(getRequest)
  const res = await begun.promise
  const hello = await clientHello(t)
  const silent = dial(t, port)
  const halfway = dial(t, port, hello.subarray(0, hello.length / 2))
  await until('all connections', () => sockets.length === 3)
  const closed = listener.closeGracefully(60_000)
  await Promise.all([silent.ended(), halfway.ended()])
  res.end('whole')
  t.match(await text(client), /whole$/)
  await closed
})

test('what is stuck when the grace period ends is destroyed', async (t) => {
  const begun: Request[] = []
  const { listener, port } = await listen(
    t,
    handle((req) => void begun.push(req)),
  )
  const raw = dial(t, port, getRequest)
  const session = h2Connect(t, port)
  const stuck = session.request({ ':path': '/' })
  stuck.on('error', () => undefined)
  await until('the beginning of the requests', () => begun.length === 2)
  await listener.closeGracefully(100)
  await raw.ended()
  t.equal(await connectionsOf(listener), 0)
})

test('a process ends by itself once its listener is closed', async (t) => {
  const module = fileURLToPath(new URL('../../../src/server/listener/listener.ts', import.meta.url))
  const given = JSON.stringify(limits)
  const script = `
    import http from 'node:http'
    import http2 from 'node:http2'
        import { dualProtocolListener } from ${JSON.stringify(module)}
    const listener = dualProtocolListener((req, res) => res.end('ok'), ${given})
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
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 25_000 })
  t.equal(stdout, 'closed\n')
})
