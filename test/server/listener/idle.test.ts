import { once } from 'node:events'
import http2 from 'node:http2'
import { test } from 'tap'
import {
  connectionsOf,
  dial,
  echo,
  emptySettings,
  getFrame,
  getRequest,
  h2Connect,
  h2Get,
  handle,
  listen,
  preface,
  resetFrame,
} from './listening.ts'
import { until } from '../../help/until.ts'

test('idle connections are closed after the keep-alive timeout', async (t) => {
  const { port } = await listen(t, echo, { keepAliveTimeoutMs: 100 })
  const h1 = dial(t, port, getRequest)
  await h1.until('1.1 GET')
  const session = h2Connect(t, port)
  await h2Get(session)
  const goaway = once(session, 'goaway')
  t.match(await goaway, [0], 'GOAWAY without an error')
  await h1.ended()
})

test('a session that opens no stream is closed after the keep-alive timeout', async (t) => {
  const { port } = await listen(t, echo, { keepAliveTimeoutMs: 100 })
  await Promise.all([dial(t, port, 'PRI').ended(), dial(t, port, preface, emptySettings).ended()])
})

test('pings do not keep an idle session open', async (t) => {
  const { port } = await listen(t, echo, { keepAliveTimeoutMs: 100 })
  const session = h2Connect(t, port)
  const pings = setInterval(() => session.closed || session.ping(() => undefined), 20)
  t.teardown(() => clearInterval(pings))
  await once(session, 'goaway')
})

test('a session with a quiet stream outlives the keep-alive timeout', async (t) => {
  // Several timeouts, which have no clock to step.
  const slow = handle((_req, res) => setTimeout(() => res.end('late'), 400))
  const { port } = await listen(t, slow, { keepAliveTimeoutMs: 50 })
  t.equal(await h2Get(h2Connect(t, port)), 'late')
})

test('a client that leaves the socket open after GOAWAY is cut off', async (t) => {
  const { listener, port } = await listen(t, echo, { keepAliveTimeoutMs: 50 })
  const raw = dial(t, port, preface, emptySettings)
  await raw.ended()
  t.equal(raw.socket.writable, true)
  await until('the connections to be counted', async () => (await connectionsOf(listener)) === 0)
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
  const frames = Buffer.concat([Buffer.from(preface), emptySettings, getFrame, resetFrame])
  await dial(t, port, frames).ended()
})
