import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { create, createRegistry, toBinary, toJsonString } from '@bufbuild/protobuf'
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createContextValues,
  type HandlerContext,
} from '@connectrpc/connect'
import fastify, { type FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import { GetUserRequestSchema, User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'
import { readMessage } from '../../../src/rest/request/body.ts'
import { recordMethods } from '../../../src/call/methods.ts'
import { isTooDeep } from '../../../src/call/message/json.ts'
import { admission } from '../../../src/server/admission/admission.ts'
import { messageReader } from '../../../src/server/rpc/message-reader.ts'
import { connectRoutes } from '../../../src/server/rpc/connect-routes.ts'
import { grpcServer } from '../../../src/server/grpc.ts'
import { interceptors } from '../../../src/server/interceptor/list.ts'
import { patientLimits, patientStreams } from '../../help/limits.ts'

const path = '/api.user.v1.User/GetUser'
const maxBodyBytes = 2000

const patience = () => ({ signal: AbortSignal.timeout(60_000) })

/** What a call wants of the service below, by the id that it asks for. */
const wanted = {
  small: 1n,
  large: 2n,
  refused: 3n,
  broken: 4n,
  badHeader: 5n,
  slow: 6n,
  ofConnection: 7n,
}

const ofConnection = ['http2-settings', 'proxy-connection', 'upgrade']

const implementation = {
  async getUser({ id }: { id: bigint }, context: HandlerContext) {
    const { responseHeader, responseTrailer, requestHeader } = context
    responseHeader.set('x-head', requestHeader.get('x-sent') ?? 'nothing sent')
    responseHeader.append('set-cookie', 'a=1')
    responseHeader.append('set-cookie', 'b=2')
    responseTrailer.set('x-tail', `by ${context.protocolName}`)
    if (id === wanted.refused)
      throw new ConnectError('not "today"', Code.FailedPrecondition, { 'x-head': 'closed' }, [
        { desc: ErrorInfoSchema, value: { reason: 'CLOSED', metadata: { day: 'Sunday' } } },
      ])
    if (id === wanted.broken) throw new Error('secret')
    if (id === wanted.badHeader) responseHeader.set('x-head', '\u0001')
    if (id === wanted.ofConnection)
      for (const name of ofConnection)
        for (const fields of [responseHeader, responseTrailer]) fields.set(name, 'x')
    if (id === wanted.slow) await new Promise(() => undefined)
    return { id, name: 'x'.repeat(id === wanted.large ? 5000 : 5) }
  },
}

const routes = (router: ConnectRouter) => router.service(User, implementation)

async function serve(t: Test, prepare?: (app: FastifyInstance) => void): Promise<number> {
  const { app } = grpcServer({
    routes,
    interceptors: interceptors({ defaultMs: 5000, byOperation: new Map() }, () => undefined),
    observers: [],
    admission: admission({ maxActive: 100, maxCalls: 100 }),
    streams: patientStreams(),
    tls: undefined,
    types: createRegistry(ErrorInfoSchema),
    origins: [],
    limits: { ...patientLimits, maxBodyBytes },
  })
  prepare?.(app)
  return listen(t, app)
}

/** The same methods by Connect alone, which gives its refusals no details. */
async function serveBare(t: Test): Promise<number> {
  const app = fastify()
  void app.register(connectRoutes, {
    methods: recordMethods(routes),
    wrap: (handler) => handler,
    contextValues: () => createContextValues(),
    failed: () => t.fail('each call is refused'),
    brokenOff: () => t.fail('each call is refused'),
    readMaxBytes: maxBodyBytes,
  })
  return listen(t, app)
}

async function listen(t: Test, app: FastifyInstance): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  return (app.server.address() as AddressInfo).port
}

interface Call {
  type: string
  body: Uint8Array
  headers?: Record<string, string>
}

type Fields = Record<string, unknown>

interface Answer {
  status: number | undefined
  headers: Fields
  trailers: Fields
  body: string
}

async function callHttp1(port: number, { type, body, headers }: Call): Promise<Answer> {
  const req = http.request({
    port,
    path,
    method: 'POST',
    agent: false,
    headers: { 'content-type': type, ...headers },
  })
  req.end(body)
  const [res] = (await once(req, 'response')) as [http.IncomingMessage]
  const received = await buffer(res)
  return answer(res.statusCode, res.headers, res.trailers, received)
}

async function callHttp2(port: number, { type, body, headers }: Call): Promise<Answer> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': type,
    te: 'trailers',
    ...headers,
  })
  let trailers: Fields = {}
  stream.once('trailers', (fields: Fields) => (trailers = { ...fields }))
  const answered = once(stream, 'response')
  stream.end(body)
  const [fields] = (await answered) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader]
  const received = await buffer(stream)
  session.close()
  return answer(fields[':status'], { ...fields }, trailers, received)
}

/** Without what differs from call to call; base64 decoded, whose padding may be where it likes. */
function answer(status: number | undefined, headers: Fields, trailers: Fields, body: Buffer) {
  delete headers['date']
  const inText = /grpc-web-text/.test(String(headers['content-type']))
  const sent = inText ? body.toString().match(/[^=]+=*/g) : undefined
  const bytes = sent ? Buffer.concat(sent.map((part) => Buffer.from(part, 'base64'))) : body
  return { status, headers, trailers, body: bytes.toString('latin1') }
}

function envelope(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5, flags)
  head.writeUInt32BE(message.byteLength, 1)
  return Buffer.concat([head, message])
}

function text(message: Uint8Array): Buffer {
  return Buffer.from(envelope(message).toString('base64'))
}

function asItIs(message: Uint8Array): Buffer {
  return Buffer.from(message)
}

const spellings = [
  { type: 'application/proto', binary: true, wrap: asItIs },
  { type: 'application/json', binary: false, wrap: asItIs },
  { type: 'application/grpc', binary: true, wrap: envelope },
  { type: 'application/grpc+proto', binary: true, wrap: envelope },
  { type: 'application/grpc+json', binary: false, wrap: envelope },
  { type: 'application/grpc-web', binary: true, wrap: envelope },
  { type: 'application/grpc-web+proto', binary: true, wrap: envelope },
  { type: 'application/grpc-web+json', binary: false, wrap: envelope },
  { type: 'application/grpc-web-text', binary: true, wrap: text },
  { type: 'application/grpc-web-text+proto', binary: true, wrap: text },
] as const

function message(id: bigint, binary: boolean): Uint8Array {
  const request = create(GetUserRequestSchema, { id })
  return binary
    ? toBinary(GetUserRequestSchema, request)
    : Buffer.from(toJsonString(GetUserRequestSchema, request))
}

const sent = { 'x-sent': 'this' }
const taking = { ...sent, 'accept-encoding': 'br, gzip', 'grpc-accept-encoding': 'br, gzip' }
const callers = { 'HTTP/1.1': callHttp1, 'HTTP/2': callHttp2 }

/** Connect knows a type in any case; only its usual spelling is served without Connect's handlers. */
async function compare(t: Test, title: string, call: Call): Promise<void> {
  const port = await serve(t)
  for (const [version, caller] of Object.entries(callers)) {
    const own = await caller(port, call)
    const connects = await caller(port, { ...call, type: call.type.toUpperCase() })
    t.same(own, connects, `${call.type}, ${title}, ${version}`)
  }
}

test('calls of unary methods are answered as by the handlers of Connect', async (t) => {
  for (const { type, binary, wrap } of spellings) {
    for (const [name, id] of Object.entries(wanted)) {
      if (id === wanted.badHeader || id === wanted.slow) continue
      const body = wrap(message(id, binary))
      await compare(t, name, { type, body, headers: sent })
      await compare(t, `${name}, compressed`, { type, body, headers: taking })
    }
  }
})

test('calls that last for too long are answered as by the handlers of Connect', async (t) => {
  // Enough for a busy machine to read the messages, after which the deadline is the handler's.
  const headers = { 'grpc-timeout': '1S', 'connect-timeout-ms': '1000' }
  const slow = spellings.map(({ type, binary, wrap }) =>
    compare(t, 'slow', { type, body: wrap(message(wanted.slow, binary)), headers }),
  )
  await Promise.all(slow)
})

test('what is no well-formed call is refused as by the handlers of Connect', async (t) => {
  for (const { type, binary, wrap } of spellings) {
    const good = wrap(message(1n, binary))
    const bodies = {
      empty: Buffer.alloc(0),
      'no message': wrap(binary ? Buffer.of(8) : Buffer.from('{"id":')),
      'another type': wrap(binary ? Buffer.of(10, 1, 65) : Buffer.from('{"id":[]}')),
      'no UTF-8': wrap(Buffer.of(0x7b, 0xff)),
      'cut off': good.subarray(0, -1),
      'too large': wrap(Buffer.alloc(maxBodyBytes + 1, ' ')),
      'much too large': wrap(Buffer.alloc(500_000, ' ')),
      'two messages': Buffer.concat([good, good]),
    }
    for (const [name, body] of Object.entries(bodies)) await compare(t, name, { type, body })
    for (const headers of [
      { 'grpc-timeout': '1', 'connect-timeout-ms': 'x' },
      { 'grpc-encoding': 'zip', 'content-encoding': 'zip' },
      { 'grpc-encoding': 'gzip', 'content-encoding': 'gzip' },
    ])
      await compare(t, JSON.stringify(headers), { type, body: good, headers })
  }
})

/** Of a refusal, what its words do not change; Connect drops the list of compressions that it makes. */
function shape({ status, headers, trailers, body }: Answer) {
  const changed = ['content-length', 'connection', 'accept-encoding', 'grpc-accept-encoding']
  const fields = Object.entries(headers).filter(([name]) => !changed.includes(name))
  const [lastEnvelope] = /grpc-status: \d+/.exec(body) ?? []
  return { status, fields, grpcStatus: trailers['grpc-status'] ?? lastEnvelope }
}

test('what Connect refuses keeps the status and the headers that Connect gives it', async (t) => {
  const own = await serve(t)
  const bare = await serveBare(t)
  for (const { type, binary, wrap } of spellings) {
    if (wrap === text) continue
    const good = wrap(message(1n, binary))
    const unknown = { 'grpc-encoding': 'zip', 'content-encoding': 'zip' }
    const calls: Record<string, Omit<Call, 'type'>> = {
      'an unknown compression': { body: good, headers: unknown },
      'a malformed timeout': {
        body: good,
        headers: { 'grpc-timeout': '1', 'connect-timeout-ms': 'x' },
      },
      'too large': { body: wrap(Buffer.alloc(maxBodyBytes + 1, ' ')) },
      'too large, compressed': {
        body:
          wrap === envelope
            ? envelope(gzipSync(Buffer.alloc(9000)), 1)
            : gzipSync(Buffer.alloc(9000)),
        headers: { 'grpc-encoding': 'gzip', 'content-encoding': 'gzip' },
      },
      ...(wrap === envelope && {
        'cut off': { body: good.subarray(0, -1) },
        'no message': { body: Buffer.alloc(0) },
        'two messages': { body: Buffer.concat([good, good]) },
        'compressed, it says': { body: envelope(message(1n, binary), 1) },
        'an end that no request has': { body: envelope(message(1n, binary), 0x80) },
      }),
    }
    for (const [title, call] of Object.entries(calls)) {
      const answer = shape(await callHttp1(own, { type, ...call }))
      t.same(answer, shape(await callHttp1(bare, { type, ...call })), `${type}, ${title}`)
    }
  }
})

test('JSON that is nested too deep is refused before it is parsed, on both ports alike', (t) => {
  const levels = (count: number) => `{"id":1,"x":${'['.repeat(count)}"]"${']'.repeat(count)}}`
  t.notOk(isTooDeep(levels(9999)))
  t.ok(isTooDeep(levels(10_000)))
  t.notOk(isTooDeep(`"${'['.repeat(50_000)}"`), 'in a string')
  const { input } = User.method.getUser
  const reader = messageReader(input, undefined)
  t.throws(() => reader.read(Buffer.from(levels(10_000)), false), { code: Code.InvalidArgument })
  t.throws(() => readMessage(input, levels(10_000), {}), { code: Code.InvalidArgument })
  t.match(readMessage(input, levels(9999), { ignoreUnknownFields: true }), { id: 1n })
  t.end()
})

test('a header that HTTP cannot send is the server’s fault, and it goes on', async (t) => {
  const port = await serve(t)
  const type = 'application/json'
  for (const caller of Object.values(callers)) {
    t.equal((await caller(port, { type, body: Buffer.from('{"id":"5"}') })).status, 500)
    t.equal((await caller(port, { type, body: Buffer.from('{"id":"1"}') })).status, 200)
  }
})

test('fields of the connection that a handler sets are left out, and its call is answered', async (t) => {
  const port = await serve(t)
  for (const { type, binary, wrap } of spellings)
    for (const spelled of [type, type.toUpperCase()])
      for (const [version, caller] of Object.entries(callers)) {
        const body = wrap(message(wanted.ofConnection, binary))
        const { status, headers, trailers } = await caller(port, { type: spelled, body })
        t.equal(status, 200, `${spelled}, ${version}`)
        for (const name of ofConnection) t.notOk(name in headers || name in trailers, name)
      }
})

test('an answer that cannot be written ends its stream, not the connection or the process', async (t) => {
  const port = await serve(t, (app) => {
    app.addHook('onRequest', async ({ headers }, { raw }) => {
      if (headers['x-sent']) raw.setHeader('upgrade', 'x')
    })
  })
  const call = { type: 'application/json', body: Buffer.from('{"id":"1"}') }
  await t.rejects(callHttp2(port, { ...call, headers: sent }), { message: /INTERNAL_ERROR/ })
  t.equal((await callHttp2(port, call)).status, 200)
})

test('a call that cannot be one is refused before its body is there', async (t) => {
  const port = await serve(t)
  const one = envelope(message(1n, true))
  for (const [refusal, begin] of [
    [`${Code.ResourceExhausted}`, envelope(Buffer.alloc(maxBodyBytes + 1)).subarray(0, 5)],
    [`${Code.Unimplemented}`, Buffer.concat([one, one])],
  ] as const) {
    const headers = { 'content-type': 'application/grpc' }
    const req = http.request({ port, path, method: 'POST', headers })
    req.on('error', () => undefined)
    t.teardown(() => req.destroy())
    req.write(begin)
    const [res] = (await once(req, 'response', patience())) as [http.IncomingMessage]
    await buffer(res)
    t.match(res.trailers, { 'grpc-status': refusal })
  }
})
