import { gunzipSync } from 'node:zlib'
import { Code, ConnectError } from '@connectrpc/connect'
import { test } from 'tap'
import { withStatus } from '../../../src/call/status.ts'
import { protocols } from '../listen.ts'
import { get } from './client.ts'
import { eventsOf, type Row, serveStreams } from './serve-streams.ts'

const first = '{"resumeToken":"t0","text":"a","number":"0"}'
const second = '{"resumeToken":"t1","text":"b","number":"1"}'
const array = `[${first},\n${second}]\n`
const lines = `${first}\n${second}\n`
const end = 'id: end\nevent: end\ndata: {}\n\n'
const retry = 'retry: 2000\n\n'
const events = `${retry}id: t0\ndata: ${first}\n\nid: t1\ndata: ${second}\n\n${end}`
const target = '/v1/den/events'

const forms: [asked: string | undefined, type: string, body: string][] = [
  [undefined, 'application/json', array],
  ['*/*', 'application/json', array],
  ['application/*', 'application/json', array],
  ['application/json', 'application/json', array],
  ['application/protojson', 'application/protojson', array],
  ['text/html, */*;q=0.8', 'application/json', array],
  ['application/x-ndjson', 'application/x-ndjson', lines],
  ['application/jsonl', 'application/jsonl', lines],
  ['application/json;q=0.5, application/x-ndjson', 'application/x-ndjson', lines],
  ['*/*, application/x-ndjson', 'application/x-ndjson', lines],
  ['text/event-stream', 'text/event-stream', events],
  ['text/*', 'text/event-stream', events],
  ['application/json;q=0, */*', 'application/protojson', array],
]

for (const protocol of protocols) {
  test(`a stream has the form that Accept asks for over ${protocol}`, async (t) => {
    const { ask } = await serveStreams(t, { watch: () => eventsOf('a', 'b') })
    for (const [accept, type, body] of forms) {
      const answer = await ask[protocol]({ target, ...(accept && { headers: { accept } }) })
      t.equal(answer.status, 200, accept ?? 'none')
      t.equal(answer.headers.get('content-type'), type)
      t.equal(answer.headers.get('vary'), 'Accept, Accept-Encoding')
      t.equal(answer.headers.get('x-accel-buffering'), 'no')
      t.equal(answer.headers.get('content-length'), null)
      t.equal(answer.body, body)
    }
  })

  test(`an empty stream is told from one that is cut off over ${protocol}`, async (t) => {
    const { ask } = await serveStreams(t, { watch: () => eventsOf() })
    const bodies = [
      ['application/json', '[]\n'],
      ['application/x-ndjson', ''],
      ['text/event-stream', retry + end],
    ] as const
    for (const [accept, body] of bodies) {
      const answer = await ask[protocol]({ target, headers: { accept } })
      t.equal(answer.status, 200)
      t.equal(answer.headers.get('content-type'), accept)
      t.equal(answer.body, body)
    }
  })

  test(`what fails before its first message has a status over ${protocol}`, async (t) => {
    const gone = withStatus(new ConnectError('too old', Code.FailedPrecondition), 410)
    const { ask } = await serveStreams(t, {
      // eslint-disable-next-line require-yield
      async *watch({ room }: Row) {
        throw room === 'gone' ? gone : new ConnectError('no such room', Code.NotFound)
      },
    })
    for (const accept of ['*/*', 'application/x-ndjson', 'text/event-stream']) {
      const missing = await ask[protocol]({ target, headers: { accept } })
      t.equal(missing.status, 404)
      t.match(missing.headers.get('content-type'), 'application/json')
      t.strictSame(JSON.parse(missing.body), {
        code: 404,
        reason: 'NOT_FOUND',
        message: 'no such room',
        metadata: {},
      })
      t.equal((await ask[protocol]({ target: '/v1/gone/events', headers: { accept } })).status, 410)
    }
  })

  test(`what fails later says so in its format over ${protocol}`, async (t) => {
    const { port } = await serveStreams(t, {
      async *watch() {
        yield* eventsOf('a')
        throw new ConnectError('tired', Code.Unavailable)
      },
    })
    const body = '{"code":503,"reason":"UNAVAILABLE","message":"tired","metadata":{}}'
    const inLines = await get(t, protocol, port, target, { accept: 'application/x-ndjson' })
    t.strictSame(await inLines.rest(), { text: `${first}\n{"error":${body}}\n`, isWhole: true })
    const asEvents = await get(t, protocol, port, target, { accept: 'text/event-stream' })
    t.strictSame(await asEvents.rest(), {
      text: `${retry}id: t0\ndata: ${first}\n\nevent: error\ndata: ${body}\n\n`,
      isWhole: true,
    })
    const asArray = await get(t, protocol, port, target)
    t.equal(asArray.status, 200)
    t.strictSame(await asArray.rest(), { text: `[${first}`, isWhole: false })
  })

  test(`headers come before a message that takes its time over ${protocol}`, async (t) => {
    const { promise: news, resolve } = Promise.withResolvers<void>()
    const { port } = await serveStreams(t, {
      async *watch() {
        await news
        yield* eventsOf('a')
      },
    })
    const [inLines, asEvents] = await Promise.all([
      get(t, protocol, port, target, { accept: 'application/x-ndjson' }),
      get(t, protocol, port, target, { accept: 'text/event-stream' }),
    ])
    t.equal(inLines.headers['content-type'], 'application/x-ndjson')
    t.equal(await asEvents.until(retry), retry)
    resolve()
    t.strictSame(await inLines.rest(), { text: `${first}\n`, isWhole: true })
    t.match(await asEvents.rest(), { isWhole: true })
  })

  test(`a silent stream of events has heartbeats over ${protocol}`, async (t) => {
    const { promise: news, resolve } = Promise.withResolvers<void>()
    const handlers = {
      async *watch() {
        await news
        yield* eventsOf('a')
      },
    }
    const { port } = await serveStreams(t, handlers, { heartbeatMs: 5 })
    const answer = await get(t, protocol, port, target, { accept: 'text/event-stream' })
    await answer.until(`${retry}: \n\n: \n\n`)
    resolve()
    t.match(await answer.rest(), { text: /^retry: 2000\n\n(?:: \n\n){2,}id: t0\n/, isWhole: true })
  })

  test(`a message is sent before the next one is there over ${protocol}`, async (t) => {
    const { promise: news, resolve } = Promise.withResolvers<void>()
    const handlers = {
      async *watch() {
        yield* eventsOf('a')
        await news
      },
    }
    const { port } = await serveStreams(t, handlers)
    for (const accept of ['*/*', 'application/x-ndjson', 'text/event-stream']) {
      const answer = await get(t, protocol, port, target, { accept })
      t.match(await answer.until(first), first)
    }
    const zipped = await get(t, protocol, port, target, { 'accept-encoding': 'gzip' })
    t.equal(zipped.headers['content-encoding'], 'gzip')
    resolve()
  })

  test(`a compressed stream is whole over ${protocol}`, async (t) => {
    const { ask } = await serveStreams(t, { watch: () => eventsOf('a', 'b') })
    for (const [accept, body] of [
      ['application/json', array],
      ['application/x-ndjson', lines],
    ] as const) {
      const headers = { accept, 'accept-encoding': 'gzip, br' }
      const answer = await ask[protocol]({ target, headers })
      t.equal(answer.headers.get('content-encoding'), 'gzip')
      t.equal(gunzipSync(answer.bytes).toString(), body)
    }
    const headers = { accept: 'text/event-stream', 'accept-encoding': 'gzip' }
    t.equal((await ask[protocol]({ target, headers })).body, events, 'events are not compressed')
  })
}

test('a stream that a client cannot take is refused before its method is called', async (t) => {
  const { ask } = await serveStreams(t, {
    watch() {
      throw new Error('called')
    },
  })
  const refused = [
    { accept: 'text/html' },
    { accept: 'application/json;q=0' },
    { accept: 'text/event-stream', 'accept-encoding': 'identity;q=0' },
    { 'accept-encoding': 'br, identity;q=0' },
  ]
  for (const headers of refused) {
    const answer = await ask.h2c({ target, headers })
    t.match(JSON.parse(answer.body), { code: 406, reason: 'NOT_ACCEPTABLE' })
  }
})

test('system parameters choose the form of each message', async (t) => {
  const { ask } = await serveStreams(t, { watch: () => eventsOf('a', 'b') })
  const bodies = [
    ['$alt=sse', {}, events],
    ['alt=sse', { accept: 'application/json' }, events],
    ['$alt=json', { accept: 'text/html' }, array],
    ['$fields=text', {}, '[{"text":"a"},\n{"text":"b"}]\n'],
    ['$fields=text&$prettyPrint=1', {}, '[{\n  "text": "a"\n},\n{\n  "text": "b"\n}]\n'],
    [
      '$fields=text&$prettyPrint=1',
      { accept: 'application/x-ndjson' },
      '{"text":"a"}\n{"text":"b"}\n',
    ],
    [
      '$fields=text&$prettyPrint=1&$alt=sse',
      {},
      `${retry}id: t0\ndata: {\ndata:   "text": "a"\ndata: }\n\nid: t1\ndata: {\ndata:   "text": "b"\ndata: }\n\n${end}`,
    ],
  ] as const
  for (const [query, headers, body] of bodies)
    t.equal((await ask['HTTP/1.1']({ target: `${target}?${query}`, headers })).body, body, query)
  const wrong = await ask['HTTP/1.1']({ target: `${target}?$alt=media` })
  t.match(wrong.body, 'must be json or json;enum-encoding=int, or sse')
  const field = await ask['HTTP/1.1']({ target: '/v1/den/texts' })
  t.equal(field.body, '["a",\n"b"]\n', 'response_body')
})

test('a stream of events goes on after the last one that its client has', async (t) => {
  const { ask } = await serveStreams(t, {
    watch: ({ resumeToken }: Row) => eventsOf(String(resumeToken)),
  })
  const textOf = async (path: string, headers: Record<string, string>) => {
    const { body } = await ask['HTTP/1.1']({ target: path, headers })
    return /"text":"(\w*)"/.exec(body)?.[1]
  }
  const accept = 'text/event-stream'
  t.equal(await textOf(target, { accept }), '')
  t.equal(await textOf(`${target}?resume_token=q`, { accept }), 'q')
  t.equal(await textOf(target, { accept, 'last-event-id': 'h' }), 'h')
  // A browser repeats the URL, which has the older token.
  t.equal(await textOf(`${target}?resume_token=q`, { accept, 'last-event-id': 'h' }), 'h')
  t.equal(await textOf(`${target}?resume_token=q`, { 'last-event-id': 'h' }), 'q')
  const over = await ask['HTTP/1.1']({ target, headers: { accept, 'last-event-id': 'end' } })
  t.equal(over.status, 204, 'one that has the end is told not to ask again')
})

test('a token that could begin another field is no id', async (t) => {
  const { ask } = await serveStreams(t, {
    async *watch() {
      yield { text: 'a', resumeToken: 'x\ndata: forged' }
      yield { text: 'b', resumeToken: '' }
    },
  })
  const { body } = await ask['HTTP/1.1']({ target, headers: { accept: 'text/event-stream' } })
  t.notMatch(body.replace(end, ''), /^id:/m)
})

test('HEAD of a stream has its headers and calls nothing', async (t) => {
  const { ask } = await serveStreams(t, {
    watch() {
      throw new Error('called')
    },
  })
  for (const protocol of protocols) {
    const headers = { accept: 'text/event-stream' }
    const answer = await ask[protocol]({ method: 'HEAD', target, headers })
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('content-type'), 'text/event-stream')
    t.equal(answer.body, '')
  }
})
