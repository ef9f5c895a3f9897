import { gzipSync } from 'node:zlib'
import { ConnectError } from '@connectrpc/connect'
import { test } from 'tap'
import { httpStatusKey } from '../../../src/call/context.ts'
import { protocols } from '../listen.ts'
import { begin, get } from './client.ts'
import { type Row, serveStreams } from './serve-streams.ts'

const bytes = Buffer.from([0, 255, 10, 13, 128])

for (const protocol of protocols) {
  test(`bytes are answered as they are over ${protocol}`, async (t) => {
    const { ask } = await serveStreams(t, {
      fetch: ({ room }) => ({ contentType: room === 'den' ? 'image/png' : '', data: bytes }),
    })
    const picture = await ask[protocol]({
      target: '/v1/den/picture',
      headers: { accept: 'text/html', 'accept-encoding': 'gzip' },
    })
    t.equal(picture.status, 200)
    t.equal(picture.headers.get('content-type'), 'image/png')
    t.equal(picture.headers.get('content-length'), '5')
    t.equal(picture.headers.get('content-encoding'), null)
    t.same(picture.bytes, bytes)
    const unknown = await ask[protocol]({ target: '/v1/hall/picture' })
    t.equal(unknown.headers.get('content-type'), 'application/octet-stream')
    const head = await ask[protocol]({ method: 'HEAD', target: '/v1/den/picture' })
    t.equal(head.headers.get('content-type'), 'image/png')
    t.equal(head.body, '')
  })

  test(`a body of any type is taken as it is over ${protocol}`, async (t) => {
    const seen: Row[] = []
    const { ask } = await serveStreams(
      t,
      {
        put(file) {
          seen.push(file)
          return file
        },
        raw: (body) => body,
      },
      { bodyLimit: 100 },
    )
    const put = { method: 'PUT', target: '/v1/den/picture' }
    const headers = { 'Content-Type': 'image/png' }
    const answer = await ask[protocol]({ ...put, headers, body: bytes })
    t.equal(answer.headers.get('content-type'), 'image/png')
    t.same(answer.bytes, bytes)
    t.match(seen, [{ room: 'den', content: { contentType: 'image/png' } }])
    const raw = await ask[protocol]({ method: 'POST', target: '/v1/raw', headers, body: bytes })
    t.same(raw.bytes, bytes)
    const zipped = await ask[protocol]({
      ...put,
      headers: { ...headers, 'Content-Encoding': 'gzip' },
      body: gzipSync(bytes),
    })
    t.same(zipped.bytes, bytes)
    const large = await ask[protocol]({ ...put, headers, body: Buffer.alloc(101) })
    t.match(JSON.parse(large.body), { code: 413, reason: 'BODY_TOO_LARGE' })
  })

  test(`a stream of bytes is sent part by part over ${protocol}`, async (t) => {
    const { promise: later, resolve } = Promise.withResolvers<void>()
    const { port } = await serveStreams(t, {
      async *download() {
        yield { contentType: 'text/csv', data: Buffer.from('a,') }
        await later
        yield { contentType: 'text/csv', data: Buffer.from('b\n') }
        yield { data: Buffer.from('c,d\n') }
      },
    })
    const answer = await get(t, protocol, port, '/v1/den/file', { 'accept-encoding': 'gzip' })
    t.equal(answer.headers['content-type'], 'text/csv')
    t.equal(await answer.until('a,'), 'a,')
    resolve()
    t.strictSame(await answer.rest(), { text: 'a,b\nc,d\n', isWhole: true })
  })

  test(`a stream of bytes that fails is broken off over ${protocol}`, async (t) => {
    const { port } = await serveStreams(t, {
      async *download({ room }) {
        if (room === 'none') return
        if (room === 'early') throw new ConnectError('no')
        yield { contentType: 'text/csv', data: Buffer.from('a') }
        if (room === 'late') throw new ConnectError('no')
        yield { contentType: 'text/html', data: Buffer.from('b') }
      },
    })
    const early = await get(t, protocol, port, '/v1/early/file')
    t.equal(early.status, 500)
    for (const room of ['late', 'other']) {
      const answer = await get(t, protocol, port, `/v1/${room}/file`)
      t.strictSame(await answer.rest(), { text: 'a', isWhole: false }, room)
    }
    const none = await get(t, protocol, port, '/v1/none/file')
    t.strictSame(await none.rest(), { text: '', isWhole: true })
  })

  test(`a stream of bytes is taken part by part over ${protocol}`, async (t) => {
    const { port } = await serveStreams(
      t,
      {
        async upload(files) {
          const texts: string[] = []
          const parts: Uint8Array[] = []
          for await (const { room, content } of files) {
            const { contentType, data } = content as { contentType: string; data: Uint8Array }
            if (parts.push(data) === 1) texts.push(`${String(room)} ${contentType}`)
          }
          return { bytes: BigInt(Buffer.concat(parts).length), texts }
        },
      },
      { bodyLimit: 10, uploadLimit: 1_000_000 },
    )
    const asked = { method: 'PUT', target: '/v1/den/file', headers: { 'content-type': 'text/csv' } }
    const whole = begin(t, protocol, port, asked)
    whole.request.end(Buffer.alloc(500_000))
    const { text } = await (await whole.answer).rest()
    t.strictSame(JSON.parse(text), { count: 0, bytes: '500000', texts: ['den text/csv'] })
    const empty = begin(t, protocol, port, asked)
    empty.request.end()
    t.match((await (await empty.answer).rest()).text, '"den text/csv"', 'also of an empty one')
    const large = begin(t, protocol, port, asked)
    large.request.write(Buffer.alloc(1_000_001))
    t.equal((await large.answer).status, 413)
  })
}

test('a range is the handler’s to answer', async (t) => {
  const { ask } = await serveStreams(t, {
    async *download(_request, { requestHeader, responseHeader, values }) {
      const [from = 0, to = 0] = (requestHeader.get('range') ?? '').match(/\d+/g)?.map(Number) ?? []
      values.set(httpStatusKey, 206)
      responseHeader.set('content-range', `bytes ${from}-${to}/10`)
      responseHeader.set('content-disposition', 'attachment; filename="x.txt"')
      yield { contentType: 'text/plain', data: Buffer.from('0123456789'.slice(from, to + 1)) }
    },
  })
  for (const protocol of protocols) {
    const answer = await ask[protocol]({ target: '/v1/den/file', headers: { range: 'bytes=2-4' } })
    t.equal(answer.status, 206)
    t.equal(answer.headers.get('content-range'), 'bytes 2-4/10')
    t.equal(answer.headers.get('content-disposition'), 'attachment; filename="x.txt"')
    t.equal(answer.body, '234')
  }
})
