import { once } from 'node:events'
import http2 from 'node:http2'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import type { Gate } from '../../../src/server/listener/arrival.ts'
import {
  dial,
  echo,
  emptySettings,
  getFrame,
  h2Connect,
  h2Get,
  handle,
  listen,
  preface,
  type Response,
} from './listening.ts'
import { until } from '../../help/until.ts'

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

test('a session takes streams after many long answers that were given up', async (t) => {
  const { port } = await listen(
    t,
    handle((_req, res) => void res.end(Buffer.alloc(2_000_000))),
    { maxConcurrentStreams: 4 },
  )
  const session = h2Connect(t, port)
  for (let n = 0; n < 20; n += 1) {
    const stream = session.request({ ':path': '/' }).pause()
    await once(stream, 'response')
    stream.close(http2.constants.NGHTTP2_CANCEL)
    await once(stream, 'close')
  }
  t.equal((await h2Get(session)).length, 2_000_000)
})

test('a stream above the limit waits for its turn', async (t) => {
  const begun: Response[] = []
  const slow = handle((_req, res) => void begun.push(res))
  const { port } = await listen(t, slow, { maxConcurrentStreams: 3 })
  const session = h2Connect(t, port)
  await once(session, 'remoteSettings')
  const answers = Promise.all(Array.from({ length: 9 }, () => h2Get(session)))
  for (let served = 0; served < 9; served += 3) {
    await until('three streams', () => begun.length >= 3)
    // The server has read what was sent before.
    await new Promise((answered) => session.ping(answered))
    t.equal(begun.length, 3)
    for (const res of begun.splice(0)) res.end('x')
  }
  t.equal((await answers).join(''), 'xxxxxxxxx')
})

test('an HTTP/2 client that shuts its sending side is let go', async (t) => {
  const { port } = await listen(t)
  const raw = dial(t, port, preface, emptySettings)
  raw.socket.end()
  await raw.ended()
})

test('a stream that is ended without an answer may be sent again', async (t) => {
  const { port } = await listen(t, echo, {}, { gate: (arrival) => arrival.abort() })
  const stream = h2Connect(t, port).request({ ':method': 'POST', ':path': '/' })
  const closed = new Promise((resolve) => stream.on('close', resolve))
  stream.on('error', () => undefined)
  await closed
  t.equal(stream.rstCode, http2.constants.NGHTTP2_REFUSED_STREAM)
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
  const raw = dial(t, port, preface, noWindow, getFrame)
  await once(await begun.promise, 'close')
  await raw.ended()
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

// The pauses order what happens; a busy machine only makes two cases the same.
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

test('an answer in parts that its client does not read counts as answered', async (t) => {
  const answered = Promise.withResolvers<void>()
  const gate: Gate = (arrival) => {
    arrival.onAnswered(() => answered.resolve())
    arrival.begin()
  }
  const inParts = handle((_req, res) => {
    const write = (): void => {
      while (res.write(Buffer.alloc(10_000)));
      res.once('drain', write)
    }
    write()
  })
  const { port } = await listen(t, inParts, { keepAliveTimeoutMs: 100 }, { gate })
  const session = h2Connect(t, port, { settings: { initialWindowSize: 0 } })
  const stream = session.request({ ':path': '/' })
  stream.on('error', () => undefined)
  await answered.promise
  await once(stream, 'close')
  t.equal(stream.rstCode, http2.constants.NGHTTP2_CANCEL)
})

test('a stream whose body does not come to an end is ended after the time for requests', async (t) => {
  const { port } = await listen(t, echo, { headersTimeoutMs: 100, requestTimeoutMs: 100 })
  const session = h2Connect(t, port)
  const stream = session.request({ ':method': 'POST', ':path': '/' })
  stream.on('error', () => undefined)
  stream.write('part')
  await once(stream, 'close')
  t.equal(stream.rstCode, http2.constants.NGHTTP2_CANCEL)
  t.match(await h2Get(session), /GET/, 'the session goes on')
})
