import { once } from 'node:events'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { test } from 'tap'
import { until } from '../../help/until.ts'
import { begin, get } from '../../rest/stream/client.ts'
import { eventsOf, type Row, streams } from '../../rest/stream/serve-streams.ts'
import { protocols } from '../../rest/listen.ts'
import { servePorts } from './ports.ts'

const target = '/v1/den/events'
const picture = '/v1/den/picture'
const ndjson = { accept: 'application/x-ndjson' }

/** Sends one event, then waits for the end of its call. */
const watching = {
  watch(_request: Row, { signal }: { signal: AbortSignal }) {
    async function* messages() {
      yield* eventsOf('a')
      if (!signal.aborted) await once(signal, 'abort')
    }
    return messages()
  },
  fetch: () => ({ contentType: 'text/plain', data: Buffer.from('x') }),
}

type Streaming = Record<'watch', (request: Row, options?: object) => AsyncIterable<Row>>

/** A client of gRPC for the streaming methods, whose code is not generated. */
function grpcClient(port: number): Streaming {
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` })
  return createClient(streams, transport) as unknown as Streaming
}

for (const protocol of protocols)
  test(`streams leave calls their places over ${protocol}`, async (t) => {
    const { rest, places } = await servePorts(t, watching, { maxActive: 1 })
    const open = [1, 2, 3].map(() => begin(t, protocol, rest, { target, headers: ndjson }))
    for (const { answer } of open) await (await answer).until('"a"')
    t.equal(places.taken, 3)
    t.equal((await get(t, protocol, rest, picture)).status, 200)
    for (const { vanish } of open) vanish()
    await until('the places to be free', () => places.taken === 0)
  })

test('a stream above a limit is refused on both ports', async (t) => {
  for (const limits of [{ maxStreams: 2 }, { maxPerAddress: 2 }]) {
    const { rest, rpc, places } = await servePorts(t, watching, limits)
    const first = await get(t, 'h2c', rest, target, ndjson)
    await first.until('"a"')
    const left = new AbortController()
    const second = grpcClient(rpc).watch({}, { signal: left.signal })[Symbol.asyncIterator]()
    await second.next()
    const third = await get(t, 'HTTP/1.1', rest, target, ndjson)
    t.equal(third.status, 503)
    t.equal(third.headers['retry-after'], '1')
    t.match(JSON.parse((await third.rest()).text), { reason: 'OVERLOADED' })
    const refused = grpcClient(rpc).watch({})[Symbol.asyncIterator]().next()
    t.match(await t.rejects(refused), { message: /as many streams as it may have/ })
    t.equal((await get(t, 'h2c', rest, picture)).status, 200, 'calls are served')
    left.abort()
    await until('a place to be free', () => places.taken === 1)
    t.equal((await get(t, 'h2c', rest, target, ndjson)).status, 200)
  }
})

test('the log has a line when a stream begins, and what it has carried at its end', async (t) => {
  const { rest, rpc, lines } = await servePorts(t, {
    watch: () => eventsOf('a', 'b'),
    async collect(requests) {
      let count = 0
      for await (const _ of requests) count += 1
      return { count }
    },
  })
  const operation = '/test.rest.v1.Streams/Watch'
  const answer = await get(t, 'HTTP/1.1', rest, target, ndjson)
  const { text } = await answer.rest()
  await until('the line of the end', () => lines.length === 2)
  t.match(lines.splice(0), [
    { msg: 'stream', protocol: 'rest', operation, method: 'GET', path: /events/ },
    {
      msg: 'request',
      code: 200,
      operation,
      messages: { received: 1, sent: 2 },
      bytes: { received: 0, sent: text.length },
    },
  ])
  const body = '{}\n{}\n{}\n'
  const upload = begin(t, 'h2c', rest, {
    method: 'POST',
    target: '/v1/den/items',
    headers: { 'content-type': 'application/x-ndjson' },
  })
  upload.request.end(body)
  await (await upload.answer).rest()
  await until('the line of the end', () => lines.length === 2)
  t.match(lines.splice(0)[1], {
    messages: { received: 3, sent: 1 },
    bytes: { received: body.length },
  })
  for await (const _ of grpcClient(rpc).watch({}));
  await until('the line of the end', () => lines.length === 2)
  t.match(lines, [
    { msg: 'stream', protocol: 'grpc', operation },
    { msg: 'request', protocol: 'grpc', code: 200, messages: { received: 1, sent: 2 } },
  ])
})

test('a failure after the beginning has its code in the log', async (t) => {
  const { rest, lines } = await servePorts(t, {
    async *watch() {
      yield* eventsOf('a')
      throw new Error('broken')
    },
  })
  for (const protocol of protocols)
    for (const headers of [ndjson, {}]) {
      const answer = await get(t, protocol, rest, target, headers)
      await answer.rest()
      await until('the line of the end', () => lines.length === 2)
      t.match(lines.splice(0)[1], {
        msg: 'request failed',
        code: 500,
        reason: 'INTERNAL',
        err: { message: 'broken' },
      })
    }
})

test('streams end with SHUTTING_DOWN when the process begins to end', async (t) => {
  const { rest, rpc, close } = await servePorts(t, {
    ...watching,
    async collect(requests) {
      for await (const _ of requests);
      return {}
    },
  })
  const open = await Promise.all(
    protocols.flatMap((protocol) =>
      [ndjson, { accept: 'text/event-stream' }, {}].map((headers) =>
        get(t, protocol, rest, target, headers),
      ),
    ),
  )
  for (const answer of open) await answer.until('"a"')
  const upload = begin(t, 'h2c', rest, {
    method: 'POST',
    target: '/v1/den/items',
    headers: { 'content-type': 'application/x-ndjson' },
  })
  upload.request.write('{}\n')
  const call = grpcClient(rpc).watch({})[Symbol.asyncIterator]()
  await call.next()
  close()
  for (const answer of open) {
    const { text, isWhole } = await answer.rest()
    const isArray = answer.headers['content-type'] === 'application/json'
    t.equal(isWhole, !isArray)
    if (!isArray) t.match(text, '"code":503,"reason":"SHUTTING_DOWN"')
  }
  t.equal((await upload.answer).status, 503)
  t.match(await t.rejects(call.next()), { message: /shutting down/ })
})

test('an upload may take longer than the time of a request', async (t) => {
  const { rest } = await servePorts(
    t,
    {
      async collect(requests) {
        let count = 0
        for await (const _ of requests) count += 1
        return { count }
      },
    },
    { requestTimeoutMs: 400, headersTimeoutMs: 400 },
  )
  const headers = { 'content-type': 'application/x-ndjson' }
  const { request, answer } = begin(t, 'HTTP/1.1', rest, {
    method: 'POST',
    target: '/v1/den/items',
    headers,
  })
  // Node looks for late requests every 100 ms here. Ten parts with 100 ms between them take a second.
  for (let part = 0; part < 10; part += 1) {
    request.write('{}\n')
    await new Promise((next) => setTimeout(next, 100))
  }
  request.end()
  const got = await answer
  t.equal(got.status, 200)
  t.match((await got.rest()).text, '"count":10')
})
