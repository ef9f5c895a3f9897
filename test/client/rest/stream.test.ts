import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { create, type DescMethodStreaming, type Message } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import { LongLine, linesOf } from '../../../src/client/rest/lines.ts'
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'
import { serviceIn, testProtos } from '../../rest/descriptors.ts'
import { answering, peer, transportTo } from './peer.ts'

const { methods } = serviceIn(testProtos(), 'test.client.v1.Files')
const methodNamed = (name: string) => methods.find((each) => each.name === name)
const down = methodNamed('Down') as DescMethodStreaming
const up = methodNamed('Up') as DescMethodStreaming

type Options = Parameters<typeof transportTo>[2]
interface File extends Message {
  name: string
}

async function* files(...names: string[]): AsyncGenerator<Message> {
  for (const name of names) yield create(down.input, { name }) as Message
}

/** Opens a stream and reads it to its end; `error` is what ended it. */
async function read(
  t: Test,
  url: string,
  { method = down, input = files('a'), options, timeoutMs }: Partial<Opening> = {},
) {
  const names: string[] = []
  try {
    const transport = transportTo(t, url, options)
    const stream = transport.stream(method, undefined, timeoutMs, undefined, input)
    for await (const message of (await stream).message) names.push((message as File).name)
    return { names }
  } catch (err) {
    return { names, error: ConnectError.from(err) }
  }
}

interface Opening {
  method: DescMethodStreaming
  input: AsyncIterable<Message>
  options: Options
  timeoutMs: number
}

const sse = { 'content-type': 'text/event-stream' }
const ndjson = { 'content-type': 'application/x-ndjson' }
const failure = '{"code":503,"reason":"SHUTTING_DOWN","message":"it stops","metadata":{"a":"b"}}'

const ended: [string, Record<string, string>, string, string[]][] = [
  ['events as Kratos v3 writes them', sse, 'event: message\ndata: {"name":"1"}\n\n', ['1']],
  ['events without a name', sse, 'data:{"name":"1"}\n\ndata: {"name":"2"}\n\n', ['1', '2']],
  ['events with CR and CRLF', sse, 'data: {"name":"1"}\r\rdata: {"name":"2"}\r\n\r\n', ['1', '2']],
  ['an event of two lines', sse, 'data: {"name":\ndata: "1"}\n\n', ['1']],
  [
    'comments, ids, times to retry, other events and an end',
    sse,
    '\ufeffretry: 2000\n\n: \n\nid: 7\ndata: {"name":"1"}\n\nevent: other\ndata: {}\n\n' +
      'id: end\nevent: end\ndata: {}\n\ndata: {"name":"late"}\n\n',
    ['1'],
  ],
  ['an event that does not end', sse, 'data: {"name":"1"}\n\ndata: {"name":"2"}\n', ['1']],
  ['no event', sse, '', []],
  ['lines', ndjson, '{"name":"1"}\n{"name":"2"}\n', ['1', '2']],
  [
    'lines with CRLF, empty ones and a last one that does not end',
    ndjson,
    '{"name":"1"}\r\n\n{"name":"2"}',
    ['1', '2'],
  ],
  ['lines that only look like errors', ndjson, '{"error":{"code":1}}\n{"error":"x"}\n', ['', '']],
]

for (const [title, headers, body, names] of ended)
  test(`a stream is read that has ${title}`, async (t) => {
    const { url } = await peer(t, answering(200, body, headers))
    t.strictSame(await read(t, url), { names })
  })

for (const [title, headers, body] of [
  ['an error event', sse, `data: {"name":"1"}\n\nevent: error\ndata: ${failure}\n\n`],
  ['an error line', ndjson, `{"name":"1"}\n{"error":${failure}}\n`],
] as const)
  test(`${title} is the error of the stream, after the messages before it`, async (t) => {
    const { url } = await peer(t, answering(200, body, headers))
    const { names, error } = await read(t, url)
    t.strictSame(names, ['1'])
    t.match(error, { code: Code.Unavailable, rawMessage: 'it stops', isWireError: true })
    const [info] = error?.findDetails(ErrorInfoSchema) ?? []
    t.match(info, { reason: 'SHUTTING_DOWN', metadata: { a: 'b' } })
  })

const refused: [string, ReturnType<typeof answering>, Code, RegExp][] = [
  ['an error before the first message', answering(503, failure), Code.Unavailable, /it stops/],
  ['a message', answering(200, '{}'), Code.Internal, /application\/json, which is no stream/],
  ['an event that is no JSON', answering(200, 'data: x\n\n', sse), Code.Internal, /not JSON/],
  [
    'an error that is none',
    answering(200, 'event: error\ndata: x\n\n', sse),
    Code.Internal,
    /error/,
  ],
  [
    'bytes that are no text',
    answering(200, Buffer.from([0x7b, 0xff, 0x0a]), ndjson),
    Code.Internal,
    /not UTF-8/,
  ],
  [
    'a line beyond the limit',
    answering(200, `{"name":"${'x'.repeat(2000)}"}\n`, ndjson),
    Code.ResourceExhausted,
    /more than 1000 bytes/,
  ],
]

for (const [title, handler, code, rawMessage] of refused)
  test(`a stream fails that is answered with ${title}`, async (t) => {
    const { url } = await peer(t, handler)
    const { error } = await read(t, url, { options: { readMaxBytes: 1000 } })
    t.match(error, { code, rawMessage })
  })

test('a stream without content has no messages', async (t) => {
  const { url } = await peer(t, answering(204, '', {}))
  t.strictSame(await read(t, url), { names: [] })
})

test('a stream is asked for as events or lines, with its request in path and query', async (t) => {
  const seen: unknown[] = []
  const { url } = await peer(t, (request, response) => {
    seen.push(request.url, request.headers.accept)
    answering(200, '', sse)(request, response)
  })
  await read(t, url, { input: files('a b') })
  t.strictSame(seen, ['/v1/down?name=a%20b', 'text/event-stream, application/x-ndjson;q=0.9'])
})

test('a stream whose connection breaks is unavailable, after the messages before', async (t) => {
  const { url } = await peer(t, (_request, response) => {
    response.writeHead(200, sse)
    response.write('data: {"name":"1"}\n\ndata', () => response.destroy())
  })
  const { names, error } = await read(t, url)
  t.strictSame(names, ['1'])
  t.match(error, { code: Code.Unavailable, cause: { code: 'ECONNRESET' } })
})

/** A peer that begins a stream and never ends it, and its connection's end. */
async function endless(t: Test) {
  const closed = Promise.withResolvers<void>()
  const { url } = await peer(t, (_request, response: ServerResponse) => {
    response.once('close', closed.resolve).writeHead(200, sse).write('data: {"name":"1"}\n\n')
  })
  return { url, closed: closed.promise }
}

test('a stream whose reader leaves closes its connection', async (t) => {
  const { url, closed } = await endless(t)
  const transport = transportTo(t, url)
  const stream = await transport.stream(down, undefined, undefined, undefined, files('a'))
  for await (const message of stream.message) {
    t.equal((message as File).name, '1')
    break
  }
  await closed
})

test('a stream ends at its deadline, and its peer sees the connection close', async (t) => {
  const { url, closed } = await endless(t)
  const { error } = await read(t, url, { timeoutMs: 50 })
  t.equal(error?.code, Code.DeadlineExceeded)
  await closed
})

test('the messages of a client stream are lines of one request', async (t) => {
  const seen: string[] = []
  const { url } = await peer(t, async (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers['content-type']}`)
    seen.push(await text(request))
    answering(200, '{"name":"ok"}')(request, response)
  })
  const input = files('a', 'b\n', '')
  t.strictSame(await read(t, url, { method: up, input }), { names: ['ok'] })
  t.strictSame(seen, ['POST /v1/up application/x-ndjson', '{"name":"a"}\n{"name":"b\\n"}\n{}\n'])
})

test('a client stream without messages is a request without lines', async (t) => {
  const { url } = await peer(t, async (request, response) => {
    const name = JSON.stringify(await text(request))
    answering(200, `{"name":${JSON.stringify(name)}}`)(request, response)
  })
  t.strictSame(await read(t, url, { method: up, input: files() }), { names: ['""'] })
})

/** Messages with a name and a folder, which is in the path. */
async function* filed(...pairs: [string, string][]): AsyncGenerator<Message> {
  for (const [folder, name] of pairs) yield create(up.input, { folder, name }) as Message
}

test('the messages of a client stream share the path, and leave it out of their lines', async (t) => {
  const seen: string[] = []
  const { url } = await peer(t, async (request, response) => {
    seen.push(`${request.url}`, await text(request))
    answering(200, '{}')(request, response)
  })
  const input = filed(['a b', '1'], ['a b', '2'])
  t.strictSame(await read(t, url, { method: up, input }), { names: [''] })
  t.strictSame(seen, ['/v1/up/a%20b', '{"name":"1"}\n{"name":"2"}\n'])
})

test('a message that would have another path breaks its client stream', async (t) => {
  const { url } = await peer(t, (request) => void request.on('error', () => undefined).resume())
  const { error } = await read(t, url, { method: up, input: filed(['a', '1'], ['b', '2']) })
  const rawMessage = 'the messages of one stream have one path and query: /v1/up/a, not /v1/up/b'
  t.match(error, { code: Code.InvalidArgument, rawMessage })
})

for (const [name, rawMessage] of [
  ['Talk', 'test.client.v1.Files.Talk streams both ways; call it by gRPC'],
  ['UpBare', 'test.client.v1.Files.UpBare streams requests, but its rule has no body'],
  ['Watch', 'test.client.v1.Files.Watch has no google.api.http rule'],
] as const)
  test(`${name}, which has no form over REST, is unimplemented`, async (t) => {
    const { url } = await peer(t, answering(500, ''))
    const method = methodNamed(name) as DescMethodStreaming
    const { error } = await read(t, url, { method })
    t.match(error, { code: Code.Unimplemented, rawMessage })
  })

test('a server stream without its request is refused', async (t) => {
  const { url } = await peer(t, answering(500, ''))
  const { error } = await read(t, url, { input: files() })
  t.match(error, { code: Code.InvalidArgument, rawMessage: /needs a request message/ })
})

test('a client stream that is refused in the middle ends with that error, and its source is told', async (t) => {
  const { url } = await peer(t, async (request, response) => {
    await once(request, 'data')
    response.writeHead(400, { 'content-type': 'application/json' })
    response.end('{"code":400,"reason":"BAD","message":"line 1"}')
  })
  const left = Promise.withResolvers<void>()
  async function* endlessInput() {
    try {
      for (;;) {
        yield* files('x'.repeat(1000))
        await new Promise((resolve) => setImmediate(resolve))
      }
    } finally {
      left.resolve()
    }
  }
  const { error } = await read(t, url, { method: up, input: endlessInput() })
  t.match(error, { code: Code.InvalidArgument, rawMessage: 'line 1' })
  await left.promise
})

test('a client stream whose source fails is broken off, and the caller gets that failure', async (t) => {
  const begun = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  const { url } = await peer(t, (request) => {
    request.once('close', closed.resolve).once('data', () => begun.resolve())
    request.on('error', () => undefined).resume()
  })
  async function* failing() {
    yield* files('a')
    await begun.promise
    throw new ConnectError('no more', Code.DataLoss)
  }
  const { error } = await read(t, url, { method: up, input: failing() })
  t.match(error, { code: Code.DataLoss, rawMessage: 'no more' })
  await closed.promise
})

test('chunks are split into the same lines wherever they are cut', async (t) => {
  const line = fc
    .string({ unit: 'grapheme', maxLength: 8 })
    .filter((each) => !/[\r\n\ufeff]/.test(each))
  const breaks = fc.constantFrom('\n', '\r\n', '\r')
  const property = fc.asyncProperty(
    fc.array(fc.tuple(line, breaks), { maxLength: 8 }),
    fc.array(fc.nat(80), { maxLength: 8 }),
    async (parts, cuts) => {
      // A CR before a LF is one break, and an empty line between them would be lost.
      const lines = parts.map(([each]) => each || '-')
      const bytes = Buffer.from(parts.map(([, end], at) => `${lines[at]}${end}`).join(''))
      const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length]
      const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end))
      async function* source() {
        yield* chunks
      }
      const got: string[] = []
      for await (const each of linesOf(source(), 1000)) got.push(each)
      return JSON.stringify(got) === JSON.stringify(lines)
    },
  )
  await fc.assert(property, { numRuns: 500 })
  async function* long() {
    yield Buffer.from('1234')
    yield Buffer.from('5\n')
  }
  t.match(await t.rejects(linesOf(long(), 4).next()), LongLine)
})
