import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect'
import { test } from 'tap'
import { withStatus } from '../../../src/call/status.ts'
import { browser, noBrowser } from '../../help/browser.ts'
import { drivenPage } from '../../help/devtools.ts'
import { until } from '../../help/until.ts'
import { eventsOf, type Row, serveStreams } from './serve-streams.ts'

const skip = browser === undefined && !process.env.CI ? noBrowser : false

interface Asked {
  room: string
  lastId: string
  token: string
}

/** What a room has for the client that has asked so many times before. */
type Room = (times: number, signal: AbortSignal) => AsyncIterable<Row>

async function* failing(err: Error): AsyncGenerator<Row> {
  yield* eventsOf()
  throw err
}

async function* endless(signal: AbortSignal, ...texts: string[]): AsyncGenerator<Row> {
  yield* eventsOf(...texts)
  if (!signal.aborted) await once(signal, 'abort')
}

const status = (code: number) => withStatus(new ConnectError('no', Code.FailedPrecondition), code)

async function* failingLater(): AsyncGenerator<Row> {
  yield* eventsOf('a')
  throw new ConnectError('tired', Code.Unavailable)
}

/** Its second event has no token, as those of a snapshot. */
async function* untold(signal: AbortSignal): AsyncGenerator<Row> {
  yield* eventsOf('a')
  yield { text: 'b' }
  yield* endless(signal)
}

const rooms: Record<string, Room> = {
  whole: () => eventsOf('a', 'b'),
  gone: () => failing(status(410)),
  busy: () => failing(status(503)),
  failing: (times, signal) => (times === 0 ? failingLater() : endless(signal)),
  lasting: (_times, signal) => endless(signal, 'a'),
  broken: (times, signal) => (times === 0 ? untold(signal) : endless(signal, 'c')),
}

test('a browser follows a stream of events', { skip, timeout: 120_000 }, async (t) => {
  const asked: Asked[] = []
  let open = 0
  const { app, url } = await serveStreams(
    t,
    {
      watch({ room, resumeToken }: Row, { requestHeader, signal }: HandlerContext) {
        const name = String(room)
        const times = asked.filter((each) => each.room === name).length
        const lastId = requestHeader.get('last-event-id') ?? ''
        asked.push({ room: name, lastId, token: String(resumeToken) })
        open += 1
        signal.addEventListener('abort', () => (open -= 1), { once: true })
        return rooms[name]?.(times, signal) ?? eventsOf()
      },
    },
    { heartbeatMs: 50 },
  )
  const sockets = new Set<Socket>()
  app.server.on('connection', (socket) => sockets.add(socket))
  const page = await drivenPage(t)
  // A page of the same origin; that it is an error does not matter.
  await page.call('Page.navigate', { url: `${url}/none` })
  await until('the page', async () => (await page.evaluate('location.port')) !== '')
  await page.evaluate(`
    sources = {}
    follow = (name, path) => {
      const source = new EventSource(path)
      const seen = { source, opened: 0, messages: [], ended: 0, told: [], failed: 0 }
      sources[name] = seen
      source.onopen = () => (seen.opened += 1)
      source.onmessage = ({ data, lastEventId }) => seen.messages.push(lastEventId + JSON.parse(data).text)
      source.addEventListener('end', () => (seen.ended += 1))
      source.onerror = ({ data }) => data === undefined ? (seen.failed += 1) : seen.told.push(JSON.parse(data).reason)
    }
    true
  `)
  const follow = (name: string, path = `/v1/${name}/events`) =>
    page.evaluate(`follow('${name}', '${path}')`)
  const seen = async (name: string) =>
    (await page.evaluate(
      `(({ source, ...seen }) => ({ ...seen, state: source.readyState }))(sources['${name}'])`,
    )) as { opened: number; messages: string[]; ended: number; told: string[]; state: number }
  const untilSeen = (name: string, holds: (seen: never) => boolean) =>
    until(name, async () => holds((await seen(name)) as never))
  const requestsOf = (room: string) => asked.filter((each) => each.room === room)
  const closed = 2

  await t.test('messages, ids and the end, after which it asks once and no more', async (t) => {
    await follow('whole')
    await untilSeen('whole', ({ state }: { state: number }) => state === closed)
    t.match(await seen('whole'), { opened: 1, messages: ['t0a', 't1b'], ended: 1, told: [] })
    t.equal(requestsOf('whole').length, 1, 'the second request was answered without a call')
  })

  await t.test('a status that is an error closes it for good', async (t) => {
    for (const room of ['gone', 'busy']) {
      await follow(room)
      await untilSeen(room, ({ state }: { state: number }) => state === closed)
      t.match(await seen(room), { opened: 0, messages: [], told: [] })
      t.equal(requestsOf(room).length, 1)
    }
    await follow('typed', '/v1/lasting/picture')
    await untilSeen('typed', ({ state }: { state: number }) => state === closed)
  })

  await t.test('an error record is told, and then it connects again with its id', async (t) => {
    await follow('failing', '/v1/failing/events?resume_token=old')
    await untilSeen('failing', ({ opened }: { opened: number }) => opened === 2)
    t.match(await seen('failing'), { messages: ['t0a'], told: ['UNAVAILABLE'], state: 1 })
    t.strictSame(requestsOf('failing'), [
      { room: 'failing', lastId: '', token: 'old' },
      { room: 'failing', lastId: 't0', token: 't0' },
    ])
    await page.evaluate(`sources.failing.source.close()`)
  })

  await t.test(
    'a connection that breaks is made anew from the last event with an id',
    async (t) => {
      await follow('broken')
      await untilSeen('broken', ({ messages }: { messages: string[] }) => messages.length === 2)
      for (const socket of sockets) socket.destroy()
      await untilSeen('broken', ({ messages }: { messages: string[] }) => messages.length === 3)
      t.match(await seen('broken'), { messages: ['t0a', 't0b', 't0c'], told: [], state: 1 })
      t.match(requestsOf('broken'), [{ lastId: '' }, { lastId: 't0' }])
      await page.evaluate(`sources.broken.source.close()`)
      await until('the stream to end', () => open === 0)
    },
  )

  await t.test('heartbeats are no messages', async (t) => {
    await follow('lasting')
    await untilSeen('lasting', ({ messages }: { messages: string[] }) => messages.length > 0)
    await new Promise((next) => setTimeout(next, 200))
    t.match(await seen('lasting'), { opened: 1, messages: ['t0a'], state: 1 })
    await page.evaluate(`sources.lasting.source.close()`)
    await until('the stream to end', () => open === 0)
  })

  await t.test('six are open at once over HTTP/1.1, and all else waits', async (t) => {
    const names = Array.from({ length: 8 }, (_, index) => `lasting${index}`)
    for (const name of names) await follow(name, '/v1/lasting/events')
    for (const name of names.slice(0, 6))
      await untilSeen(name, ({ messages }: { messages: string[] }) => messages.length === 1)
    for (const name of names.slice(6)) t.match(await seen(name), { opened: 0, state: 0 })
    t.equal(open, 6)
    await page.evaluate(`fetched = 0, void fetch('/none').then(({ status }) => (fetched = status))`)
    await page.evaluate(`sources.lasting0.source.close()`)
    await page.evaluate(`sources.lasting1.source.close()`)
    for (const name of names.slice(6))
      await untilSeen(name, ({ messages }: { messages: string[] }) => messages.length === 1)
    t.equal(await page.evaluate('fetched'), 0, 'and so does any other request')
    await page.evaluate(`sources.lasting2.source.close()`)
    await until('the request', async () => (await page.evaluate('fetched')) === 404)
  })
})
