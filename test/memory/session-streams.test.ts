import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import { keepStreamsLean } from '../../src/memory/session-streams.ts'

/** A session with a server that has `prepare` see its end, and that answers each stream by `serve`. */
async function connected(
  t: Test,
  prepare: (session: http2.Http2Session) => void,
  serve: (stream: http2.ServerHttp2Stream) => void,
) {
  const server = http2.createServer().on('session', prepare).on('stream', serve)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => {
    client.destroy()
    server.close()
  })
  await once(client, 'connect')
  return client
}

test('a session that is destroyed closes its streams, more than there are slots', async (t) => {
  const opened: http2.ServerHttp2Stream[] = []
  const sessions: http2.Http2Session[] = []
  const prepare = (session: http2.Http2Session) => {
    sessions.push(session)
    keepStreamsLean(session)
  }
  const client = await connected(t, prepare, (stream) => opened.push(stream.on('error', () => {})))
  const streams = Array.from({ length: 90 }, () => client.request().on('error', () => {}))
  while (opened.length < streams.length) await new Promise(setImmediate)
  const closed = opened.map((stream) => once(stream, 'close'))
  sessions[0]?.destroy()
  await Promise.all(closed)
  t.ok(opened.every(({ destroyed }) => destroyed))
})

test('a session that is closed goes on until its last stream has ended', async (t) => {
  const opened: http2.ServerHttp2Stream[] = []
  const sessions: http2.Http2Session[] = []
  const prepare = (session: http2.Http2Session) => {
    sessions.push(session)
    keepStreamsLean(session)
  }
  const client = await connected(t, prepare, (stream) => opened.push(stream))
  const answers = [client.request(), client.request(), client.request()]
  while (opened.length < answers.length) await new Promise(setImmediate)
  sessions[0]?.close()
  for (const [index, stream] of opened.entries()) {
    t.equal(sessions[0]?.destroyed, false)
    stream.respond({ ':status': 200 }, { endStream: true })
    await once(answers[index]?.resume() ?? client, 'close')
  }
  if (!sessions[0]?.destroyed) await once(sessions[0] ?? client, 'close')
  t.equal(sessions[0]?.destroyed, true)
})
