import { once } from 'node:events'
import http2, { constants, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { create, toBinary } from '@bufbuild/protobuf'
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { encodeEnvelope } from '@connectrpc/connect/protocol'
import { test, type Test } from 'tap'
import { channelOf } from '../../src/client/channel.ts'
import { GetUserReplySchema, User } from '../../src/gen/api/user/v1/user_pb.ts'

interface Answer {
  status?: number
  headers?: Record<string, string | string[]>
  body?: Uint8Array | undefined
  /** Undefined: the answer ends with its body. */
  trailers?: Record<string, string>
  /** Resets the stream in place of an end. */
  reset?: number
}

const message = toBinary(GetUserReplySchema, create(GetUserReplySchema, { id: 7n }))
const whole = encodeEnvelope(0, message)
const packed = encodeEnvelope(1, gzipSync(message))
const ok = { 'grpc-status': '0' }
const failed = { 'grpc-status': '5', 'grpc-message': 'no%20user', 'x-more': 'a' }
const gzip = { 'grpc-encoding': 'gzip' }

/** Good and bad answers of a server of gRPC. */
const answers: Record<string, Answer> = {
  'a message': { body: whole, trailers: ok },
  'headers and trailers': {
    headers: { 'x-one': ['1', '2'], 'x-bin': 'AQI' },
    body: whole,
    trailers: { ...ok, 'x-two': '3' },
  },
  'a message without a field': { body: encodeEnvelope(0, new Uint8Array()), trailers: ok },
  'a compressed message': { headers: gzip, body: packed, trailers: ok },
  'compressed, and not said so': { body: packed, trailers: ok },
  'an unknown coding': { headers: { 'grpc-encoding': 'lz4' }, body: packed, trailers: ok },
  'an error in the trailers': { body: undefined, trailers: failed },
  'an error in the headers': { headers: failed },
  'an error without a text': { headers: { 'grpc-status': '14' } },
  'a status that there is not': { headers: { 'grpc-status': '99' } },
  'no status': { body: whole, trailers: { 'x-two': '3' } },
  'no message': { trailers: ok },
  'nothing at all': {},
  'a message with an error': { headers: failed, body: whole },
  'two messages': { body: Buffer.concat([whole, whole]), trailers: ok },
  'half an envelope': { body: whole.subarray(0, 3), trailers: ok },
  'half a message': { body: whole.subarray(0, 8), trailers: ok },
  'no message of this type': { body: encodeEnvelope(0, Buffer.from('zzz')), trailers: ok },
  'another content type': { headers: { 'content-type': 'text/html' }, body: whole },
  'an error of HTTP': { status: 503, headers: { 'retry-after': '3' } },
  'another error of HTTP': { status: 404 },
  'a stream that is refused': { reset: constants.NGHTTP2_REFUSED_STREAM },
  'a stream that is canceled': { reset: constants.NGHTTP2_CANCEL },
  'a client that is too quick': { reset: constants.NGHTTP2_ENHANCE_YOUR_CALM },
  'a broken stream': { reset: constants.NGHTTP2_INTERNAL_ERROR },
}

/** A server whose next answer is chosen, and the codes with which its streams were closed. */
async function serving(t: Test) {
  const state: { answer: Answer | undefined; closed: (code: number) => void } = {
    answer: undefined,
    closed: () => undefined,
  }
  const server = http2.createServer()
  server.on('stream', (stream) => {
    stream.resume().on('error', () => undefined)
    stream.on('close', () => state.closed(stream.rstCode ?? 0))
    if (state.answer) send(stream, state.answer)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { state, port: (server.address() as AddressInfo).port }
}

function send(stream: ServerHttp2Stream, { status = 200, reset, ...answer }: Answer): void {
  const { headers, body, trailers } = answer
  const head = { ':status': status, 'content-type': 'application/grpc', ...headers }
  if (reset !== undefined) stream.close(reset)
  else if (body === undefined && trailers === undefined) stream.respond(head, { endStream: true })
  else {
    stream.respond(head, { waitForTrailers: trailers !== undefined })
    stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}))
    stream.end(body)
  }
}

/** What a caller sees of a call. */
async function seen(transport: Transport) {
  const fields: Record<string, unknown> = {}
  try {
    const reply = await createClient(User, transport).getUser(
      { id: 7n },
      {
        onHeader: (header) => void (fields.header = entriesOf(header)),
        onTrailer: (trailer) => void (fields.trailer = entriesOf(trailer)),
      },
    )
    return { ...fields, reply }
  } catch (err) {
    const { code, metadata, details, isWireError } = ConnectError.from(err)
    return { code, metadata: entriesOf(metadata), details, isWireError }
  }
}

const entriesOf = (headers: Headers) => [...headers].filter(([name]) => name !== 'date')

test('an answer is what it is to the transport of Connect', async (t) => {
  const { state, port } = await serving(t)
  const settings = { retry: { attempts: 0 }, breaker: { enabled: false } }
  const { transport, close, nodes } = channelOf(`direct:///127.0.0.1:${port}`, settings)
  t.teardown(close)
  const [node] = nodes()
  t.ok(node)
  const ours = node?.transport ?? transport
  const baseUrl = `http://127.0.0.1:${port}`
  const sessionManager = new Http2SessionManager(baseUrl)
  t.teardown(() => sessionManager.abort())
  const theirs = createGrpcTransport({ baseUrl, sessionManager })
  for (const [name, answer] of Object.entries(answers)) {
    state.answer = answer
    t.strictSame(await seen(ours), await seen(theirs), name)
  }
})

test('a text of an error with wrong escapes is taken as it is', async (t) => {
  const { state, port } = await serving(t)
  const { transport, close } = channelOf(`direct:///127.0.0.1:${port}`)
  t.teardown(close)
  for (const text of ['100% wrong', 'a%FFb']) {
    const failure = { 'grpc-status': '5', 'grpc-message': text }
    for (const answer of [{ headers: failure }, { trailers: failure }]) {
      state.answer = answer
      const call = createClient(User, transport).getUser({ id: 7n })
      await t.rejects(call, { code: Code.NotFound, rawMessage: text })
    }
  }
})

test('a call whose time is over, or that its caller gives up, cancels its stream', async (t) => {
  const { state, port } = await serving(t)
  const { transport, close } = channelOf(`direct:///127.0.0.1:${port}`)
  t.teardown(close)
  const users = createClient(User, transport)
  const controller = new AbortController()
  const ends = {
    deadline_exceeded: { timeoutMs: 50 },
    canceled: { signal: controller.signal },
  }
  for (const [code, options] of Object.entries(ends)) {
    const closed = new Promise<number>((resolve) => {
      state.closed = resolve
    })
    const call = t.rejects(users.getUser({ id: 7n }, options), { message: new RegExp(code) })
    if (code === 'canceled') setTimeout(() => controller.abort(), 20)
    await call
    t.equal(await closed, constants.NGHTTP2_CANCEL, code)
  }
})
