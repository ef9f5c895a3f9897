import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { Code, ConnectError } from '@connectrpc/connect'
import { test } from 'tap'
import { until } from '../../help/until.ts'
import { protocols } from '../listen.ts'
import { begin } from './client.ts'
import { type Row, serveStreams } from './serve-streams.ts'
import { zstdFrame } from '../zstd-frame.ts'

const target = '/v1/den/items'
const json = 'application/json'
const ndjson = 'application/x-ndjson'

/** Answers with the rooms and texts of all messages. */
async function collect(requests: AsyncIterable<Row>): Promise<Row> {
  const texts: string[] = []
  for await (const { room, text } of requests) texts.push(`${String(room)} ${String(text)}`)
  return { count: texts.length, texts }
}

const bodies: [what: string, type: string, body: string][] = [
  ['lines', ndjson, '{"text":"a"}\n{"text":"b"}\n'],
  ['lines without a last newline', 'application/jsonl', '{"text":"a"}\n{"text":"b"}'],
  ['lines with CRLF', ndjson, '{"text":"a"}\r\n{"text":"b"}\r\n'],
  ['empty lines', ndjson, '\n{"text":"a"}\n\n \n{"text":"b"}\n\n'],
  ['a byte order mark', ndjson, '\ufeff{"text":"a"}\n{"text":"b"}'],
  ['values one after the other', json, '{"text":"a"}{"text":"b"}'],
  ['values with breaks', json, ' {\n"text":"a"\n}\n\n{"text":"b"} '],
  ['an array', json, '[{"text":"a"},{"text":"b"}]'],
  ['an array with breaks', 'application/protojson', ' [ {"text":"a"}\n,\t{"text":"b"}\r\n] '],
  ['a byte order mark before an array', json, '\ufeff[{"text":"a"},{"text":"b"}]'],
]

for (const protocol of protocols) {
  test(`messages are read one by one over ${protocol}`, async (t) => {
    const { ask } = await serveStreams(t, { collect })
    for (const [what, type, body] of bodies) {
      const headers = { 'Content-Type': type }
      const answer = await ask[protocol]({ method: 'POST', target, headers, body })
      t.strictSame(
        JSON.parse(answer.body),
        { count: 2, bytes: '0', texts: ['den a', 'den b'] },
        what,
      )
      t.equal(answer.headers.get('content-type'), json)
    }
    for (const [type, body] of [
      [json, ''],
      [json, '[]'],
      [json, ' \n'],
      [ndjson, '\n'],
    ]) {
      const headers = { 'Content-Type': type ?? '' }
      const answer = await ask[protocol]({ method: 'POST', target, headers, body: body ?? '' })
      t.match(JSON.parse(answer.body), { count: 0 }, 'none')
    }
  })

  test(`compressed messages are read over ${protocol}`, async (t) => {
    const { ask } = await serveStreams(t, { collect })
    const text = '{"text":"a"}\n{"text":"b"}\n'
    for (const [coding, body] of [
      ['gzip', gzipSync(text)],
      ['br', brotliCompressSync(text)],
      ['zstd', zstdCompressSync(text)],
      ['zstd', zstdFrame(text, 23)],
      [
        'zstd',
        Buffer.concat(['{"text":"a"}\n', '{"text":"b"}\n'].map((line) => zstdCompressSync(line))),
      ],
    ] as const) {
      const headers = { 'Content-Type': ndjson, 'Content-Encoding': coding }
      const answer = await ask[protocol]({ method: 'POST', target, headers, body })
      t.match(JSON.parse(answer.body), { count: 2 }, coding)
    }
    for (const [coding, body] of [
      ['gzip', Buffer.from('no gzip')],
      ['gzip', gzipSync(text).subarray(0, 20)],
      ['zstd', zstdFrame(text, 24)],
      ['zstd', Buffer.concat([zstdCompressSync(text), zstdFrame(text, 24)])],
      ['br', Buffer.concat([brotliCompressSync(text), brotliCompressSync(text)])],
    ] as const) {
      const headers = { 'Content-Type': ndjson, 'Content-Encoding': coding }
      const answer = await ask[protocol]({ method: 'POST', target, headers, body })
      t.match(JSON.parse(answer.body), { code: 400, reason: 'MALFORMED_BODY' })
    }
  })

  test(`a message reaches the handler before the next one is sent over ${protocol}`, async (t) => {
    const seen: string[] = []
    const { port } = await serveStreams(t, {
      async collect(requests) {
        for await (const { text } of requests) seen.push(String(text))
        return { count: seen.length }
      },
    })
    const headers = { 'content-type': ndjson }
    const { request, answer } = begin(t, protocol, port, { method: 'POST', target, headers })
    request.write('{"text":"a"}\n{"te')
    await until('the first message', () => seen.length === 1)
    request.write('xt":"b"}\n')
    await until('the second message', () => seen.length === 2)
    request.end()
    const { text } = await (await answer).rest()
    t.match(JSON.parse(text), { count: 2 })
  })

  test(`a refusal in the middle is answered at once over ${protocol}`, async (t) => {
    const { port } = await serveStreams(
      t,
      {
        async collect(requests) {
          for await (const { text } of requests)
            if (text === 'stop') throw new ConnectError('enough', Code.FailedPrecondition)
          return {}
        },
      },
      { bodyLimit: 64, uploadLimit: 200 },
    )
    const refused = [
      ['{"text":"a"}\n{"text":"stop"}\n', 400, /enough/],
      ['{"text":"a"}\n{"text":\n', 400, /line 2: the body is not JSON/],
      ['\n{"text":"a"}\n\n{"number":"x"}\n', 400, /line 4: .*number/],
      [`{"text":"a"}\n{"text":"${'x'.repeat(64)}`, 413, /the message is larger than 64 bytes/],
      ['{"text":"a"}\n'.repeat(20), 413, /the body is larger than 200 bytes/],
    ] as const
    for (const [body, status, message] of refused) {
      const headers = { 'content-type': ndjson }
      const { request, answer } = begin(t, protocol, port, { method: 'POST', target, headers })
      // Never ended: the answer does not wait for the rest.
      request.write(body)
      const got = await answer
      t.equal(got.status, status)
      t.match(JSON.parse((await got.rest()).text), { message })
    }
  })

  test(`a body that stops coming ends the call over ${protocol}`, async (t) => {
    const { port } = await serveStreams(t, { collect }, { uploadIdleMs: 50 })
    const headers = { 'content-type': ndjson }
    const { request, answer } = begin(t, protocol, port, { method: 'POST', target, headers })
    request.write('{"text":"a"}\n')
    const got = await answer
    t.equal(got.status, 408)
    t.match(JSON.parse((await got.rest()).text), { reason: 'REQUEST_TIMEOUT' })
  })

  test(`a client that goes in the middle ends the call over ${protocol}`, async (t) => {
    let failure: unknown
    let isSeen = false
    const { port } = await serveStreams(t, {
      async collect(requests) {
        try {
          for await (const _ of requests) isSeen = true
        } catch (err) {
          failure = err
          throw err
        }
        return {}
      },
    })
    const headers = { 'content-type': ndjson }
    const { request, answer, vanish } = begin(t, protocol, port, {
      method: 'POST',
      target,
      headers,
    })
    answer.catch(() => undefined)
    request.write('{"text":"a"}\n')
    await until('the first message', () => isSeen)
    vanish()
    await until('the handler to fail', () => failure !== undefined)
    t.match(failure, { code: Code.Canceled })
  })

  // Nearly all that a body may have, so that the server is not done with it before the client is gone.
  const blank = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024, '\n'))
  test(`a client that has sent blank lines and gone ends the work over ${protocol}`, async (t) => {
    const { promise: begun, resolve } = Promise.withResolvers<undefined>()
    const { promise: failed, resolve: end } = Promise.withResolvers<unknown>()
    const { port } = await serveStreams(t, {
      collect(requests) {
        resolve(undefined)
        const all = collect(requests)
        all.then(end, end)
        return all
      },
    })
    const headers = { 'content-type': ndjson, 'content-encoding': 'zstd' }
    const sent = begin(t, protocol, port, { method: 'POST', target, headers })
    sent.answer.catch(() => undefined)
    sent.request.end(Buffer.concat(Array.from({ length: 14 }, () => blank)))
    await begun
    sent.vanish()
    t.match(await failed, { code: Code.Canceled })
  })
}

test('what is no list of messages is malformed', async (t) => {
  const { ask } = await serveStreams(t, { collect })
  const wrong = [
    [json, '[{"text":"a"}'],
    [json, '[{"text":"a"},]'],
    [json, '[{"text":"a"} {"text":"b"}]'],
    [json, '[,{"text":"a"}]'],
    [json, '[{"text":"a"}],'],
    [json, '[{"text":"a"}]{}'],
    [json, '{"text":"a"'],
    [json, '{"text":"a"},{}'],
    [json, ']'],
    [json, '[1]'],
    [json, 'true'],
    [json, '{"text":"a"]'],
    [ndjson, '{"text":"a"}{"text":"b"}'],
    [ndjson, '[{"text":"a"}]'],
    [ndjson, '{"text":"\xff"'],
  ] as const
  for (const [type, body] of wrong) {
    const headers = { 'Content-Type': type }
    const answer = await ask.h2c({ method: 'POST', target, headers, body })
    t.match(JSON.parse(answer.body), { code: 400, reason: 'MALFORMED_BODY' }, body)
  }
})

test('path and query fill each message', async (t) => {
  const seen: Row[] = []
  const { ask } = await serveStreams(t, {
    async collect(requests) {
      for await (const { room, text, tag } of requests) seen.push({ room, text, tag })
      return {}
    },
  })
  const headers = { 'Content-Type': ndjson }
  const body = '{"name":"x"}\n{"name":"y"}\n'
  await ask.h2c({ method: 'POST', target: '/v1/den/tags?text=q', headers, body })
  t.match(seen, [
    { room: 'den', text: 'q', tag: { name: 'x' } },
    { room: 'den', text: 'q', tag: { name: 'y' } },
  ])
  const wrong = await ask.h2c({ method: 'POST', target: '/v1/den/tags?txt=q', headers, body })
  t.match(JSON.parse(wrong.body), { code: 400, metadata: { txt: /did you mean text/ } })
  const other = '{"room":"hall"}\n'
  const conflict = await ask.h2c({ method: 'POST', target, headers, body: other })
  t.match(JSON.parse(conflict.body), { reason: 'INVALID_PARAMETER', message: /^line 1: room/ })
})

test('a streamed request of another type or coding is refused unread', async (t) => {
  const { ask } = await serveStreams(t, { collect })
  for (const headers of [
    { 'Content-Type': 'text/plain' },
    { 'Content-Type': 'application/x-www-form-urlencoded' },
    { 'Content-Type': ndjson, 'Content-Encoding': 'compress' },
  ]) {
    const answer = await ask['HTTP/1.1']({ method: 'POST', target, headers, body: '{}' })
    t.match(JSON.parse(answer.body), { code: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' })
  }
})

test('a few bytes that stand for many are refused', async (t) => {
  const { ask } = await serveStreams(t, { collect }, { uploadLimit: 100_000 })
  const headers = { 'Content-Type': ndjson, 'Content-Encoding': 'gzip' }
  const body = gzipSync('{"text":"a"}\n'.repeat(1_000_000))
  t.ok(body.length < 100_000)
  const answer = await ask.h2c({ method: 'POST', target, headers, body })
  t.match(JSON.parse(answer.body), { code: 413, reason: 'BODY_TOO_LARGE' })
})
