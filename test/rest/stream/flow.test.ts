import { once } from 'node:events'
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect'
import { test } from 'tap'
import { until } from '../../help/until.ts'
import { protocols } from '../listen.ts'
import { begin, get } from './client.ts'
import { eventsOf, type Row, serveStreams } from './serve-streams.ts'

const target = '/v1/den/events'
const accepts = ['application/json', 'application/x-ndjson', 'text/event-stream']

for (const protocol of protocols) {
  test(`a reader that stalls stops the handler over ${protocol}`, async (t) => {
    const text = 'x'.repeat(10_000)
    const wanted = 20_000
    let made = 0
    const { port } = await serveStreams(t, {
      async *watch() {
        for (; made < wanted; made += 1) yield { text }
      },
    })
    for (const accept of accepts) {
      made = 0
      const answer = await get(t, protocol, port, target, { accept })
      await answer.until(text)
      // It stands once two looks some turns apart find it at the same message.
      let before = -1
      await until('the handler to stand', async () => {
        const stands = made === before
        before = made
        for (let turn = 0; turn < 20; turn += 1) await new Promise((next) => setImmediate(next))
        return stands
      })
      t.ok(made < wanted / 2, `${made} messages lie in buffers`)
      answer.body.destroy()
    }
  })

  test(`a client that goes wakes its handler over ${protocol}`, async (t) => {
    let returned = 0
    let woken = 0
    const handlers = {
      watch(_request: Row, { signal }: { signal: AbortSignal }) {
        async function* messages() {
          try {
            yield* eventsOf('a')
            await once(signal, 'abort')
            woken += 1
            yield* eventsOf('b')
          } finally {
            returned += 1
          }
        }
        return messages()
      },
    }
    const { port } = await serveStreams(t, handlers)
    for (const accept of accepts) {
      const [wokenBefore, returnedBefore] = [woken, returned]
      const exchange = begin(t, protocol, port, { target, headers: { accept } })
      const answer = await exchange.answer
      await answer.until('"a"')
      exchange.vanish()
      await until('the handler to end', () => returned > returnedBefore)
      t.equal(woken, wokenBefore + 1)
      t.equal(returned, returnedBefore + 1)
    }
  })

  test(`a client that goes while it reads nothing ends its handler over ${protocol}`, async (t) => {
    let returned = 0
    const text = 'x'.repeat(10_000)
    const { port } = await serveStreams(t, {
      async *watch() {
        try {
          for (;;) yield { text }
        } finally {
          returned += 1
        }
      },
    })
    const exchange = begin(t, protocol, port, { target })
    await (await exchange.answer).until(text)
    exchange.vanish()
    await until('the handler to end', () => returned > 0)
    t.equal(returned, 1)
  })

  test(`a client’s deadline ends a stream whatever its handler does over ${protocol}`, async (t) => {
    const { port } = await serveStreams(t, {
      async *watch() {
        yield* eventsOf('a')
        await Promise.withResolvers<void>().promise
      },
    })
    const timeout = { 'x-server-timeout': '0.2' }
    for (const accept of accepts) {
      const answer = await get(t, protocol, port, target, { accept, ...timeout })
      const { text, isWhole } = await answer.rest()
      t.equal(isWhole, accept !== 'application/json')
      if (isWhole) t.match(text, '"reason":"DEADLINE_EXCEEDED"')
    }
  })
}

test('a deadline before the first message has its status', async (t) => {
  const { ask } = await serveStreams(t, {
    async *watch() {
      await Promise.withResolvers<void>().promise
      yield {}
    },
  })
  const headers = { 'x-server-timeout': '0.05' }
  t.equal((await ask.h2c({ target, headers })).status, 504)
})

test('interceptors see each stream once, with its messages in both directions', async (t) => {
  const seen: string[] = []
  const noted = (name: string): Interceptor => {
    return (next) =>
      async function note(req) {
        seen.push(`${name} ${req.method.name} ${req.stream}`)
        const res = await next(req)
        if (!res.stream) return res
        const { message } = res
        async function* counted() {
          let count = 0
          for await (const each of message) {
            count += 1
            yield each
          }
          seen.push(`${name} gave ${count}`)
        }
        return { ...res, message: counted() }
      }
  }
  const handlers = {
    watch: () => eventsOf('a', 'b'),
    async collect(requests: AsyncIterable<Row>) {
      let count = 0
      for await (const _ of requests) count += 1
      return { count }
    },
  }
  const { ask } = await serveStreams(t, handlers, {
    interceptors: [noted('outer'), noted('inner')],
  })
  await ask.h2c({ target })
  t.strictSame(seen.splice(0), [
    'outer Watch true',
    'inner Watch true',
    'inner gave 2',
    'outer gave 2',
  ])
  const headers = { 'Content-Type': 'application/x-ndjson' }
  await ask['HTTP/1.1']({ method: 'POST', target: '/v1/den/items', headers, body: '{}\n{}\n{}' })
  t.strictSame(seen, ['outer Collect true', 'inner Collect true', 'inner gave 1', 'outer gave 1'])
})

test('an interceptor refuses a stream with a status, and gives headers and trailers', async (t) => {
  const gate: Interceptor = (next) =>
    async function guard(req) {
      if (req.header.get('x-key') !== 'k') throw new ConnectError('no key', Code.Unauthenticated)
      const res = await next(req)
      res.header.set('x-from', 'guard')
      res.trailer.set('x-end', 'guard')
      return res
    }
  const { ask } = await serveStreams(t, { watch: () => eventsOf('a') }, { interceptors: [gate] })
  for (const protocol of protocols) {
    t.equal((await ask[protocol]({ target })).status, 401)
    const answer = await ask[protocol]({ target, headers: { 'x-key': 'k', te: 'trailers' } })
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('x-from'), 'guard')
    t.equal(answer.trailers.get('x-end'), 'guard')
  }
})
