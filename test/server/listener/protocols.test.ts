import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type net from 'node:net'
import { promisify } from 'node:util'
import { test } from 'tap'
import {
  connectionsOf,
  dial,
  echo,
  emptySettings,
  getFrame,
  getRequest,
  h1Get,
  h2Connect,
  h2Get,
  haveRead,
  limits,
  listen,
  preface,
} from './listening.ts'
import { until } from '../../help/until.ts'

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
  const { port, sockets } = await listen(t)
  const raw = dial(t, port)
  raw.socket.setNoDelay()
  for (let index = 0; index < preface.length; index += 1) {
    raw.socket.write(preface.charAt(index))
    await haveRead(sockets, 0, index + 1)
  }
  raw.socket.write(emptySettings)
  raw.socket.write(getFrame)
  await raw.until('2.0 GET / ')
})

test('a method that begins as the preface does is HTTP/1.1', async (t) => {
  const { port, sockets } = await listen(t)
  const raw = dial(t, port, 'PR')
  raw.socket.setNoDelay()
  await haveRead(sockets, 0, 2)
  raw.socket.write('OPFIND /dav HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  t.match(await raw.ended(), /^HTTP\/1\.1 200 OK\r\n[^]*1\.1 PROPFIND \/dav /)
})

test('a connection that does not say its protocol is dropped after the header timeout', async (t) => {
  const { port } = await listen(t, echo, { headersTimeoutMs: 100 })
  await Promise.all([dial(t, port).ended(), dial(t, port, 'PR').ended()])
})

test('bytes that came while the process did something else are read after the header timeout', async (t) => {
  const headersTimeoutMs = 100
  const { port, sockets } = await listen(t, echo, { headersTimeoutMs })
  const raw = dial(t, port, 'P')
  await haveRead(sockets, 0, 1)
  raw.socket.write(`OST${getRequest.slice(3)}`)
  const end = performance.now() + 2 * headersTimeoutMs
  while (performance.now() < end);
  await raw.until('1.1 POST / ')
})

test('a connection that ends before its protocol is known is closed at once', async (t) => {
  const { port } = await listen(t)
  const silent = dial(t, port)
  const undecided = dial(t, port, 'PR')
  silent.socket.end()
  undecided.socket.end()
  await Promise.all([silent.ended(), undecided.ended()])
})

test('headers above the limit are refused in both protocols', async (t) => {
  const { port } = await listen(t, echo, { maxHeaderBytes: 2000 })
  const long = 'x'.repeat(3000)
  t.match(await h1Get(port, { headers: { long } }), { res: { statusCode: 431 } })
  const session = h2Connect(t, port)
  await once(session, 'remoteSettings')
  t.equal(session.remoteSettings.maxHeaderListSize, 2000)
  t.equal(session.remoteSettings.maxConcurrentStreams, limits.maxConcurrentStreams)
  await t.rejects(once(session.request({ long }), 'response'))
  t.equal(await h2Get(session), '2.0 GET / ', 'the session goes on')
})

test('garbage is refused and the listener goes on', async (t) => {
  const { port } = await listen(t)
  t.match(await dial(t, port, 'what is this\r\n\r\n').ended(), /^HTTP\/1\.1 400 /)
  t.match(
    await dial(t, port, Buffer.from([22, 3, 1, 0, 5, 1, 0, 0, 1, 0])).ended(),
    /^HTTP\/1\.1 400 /,
  )
  await dial(t, port, 'PRI * HTTP/1.1\r\nHost: x\r\n\r\n').ended()
  await dial(t, port, preface, 'no frame at all, but long enough for one').ended()
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
  const { listener, port, sockets } = await listen(t)
  const openings = [
    '',
    'P',
    'PRI',
    'GET',
    getRequest,
    preface,
    preface + emptySettings.toString('latin1'),
  ]
  for (const opening of openings) {
    for (const isRead of [false, true]) {
      const { socket } = dial(t, port, opening)
      await once(socket, 'connect')
      if (isRead) {
        await until(
          'the connections to be counted',
          async () => (await connectionsOf(listener)) === 1,
        )
        await haveRead(sockets, sockets.length - 1, opening.length)
      }
      socket.resetAndDestroy()
      await until(
        'the connections to be counted',
        async () => (await connectionsOf(listener)) === 0,
      )
    }
  }
  t.match(await h1Get(port), { res: { statusCode: 200 } })
})
