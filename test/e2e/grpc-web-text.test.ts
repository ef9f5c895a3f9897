import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import http2, { type IncomingHttpHeaders } from 'node:http2'
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { findTrailerError } from '@connectrpc/connect/protocol-grpc'
import { trailerParse } from '@connectrpc/connect/protocol-grpc-web'
import { test, type Test } from 'tap'
import { User, type User as UserService } from '../../src/gen/api/user/v1/user_pb.ts'
import { BadRequestSchema, ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { Health } from '../../src/gen/health/v1/health_pb.ts'
import { type RunningApp, startApp } from '../help/app.ts'

type Methods = typeof UserService.method & typeof Health.method
type Method = Methods[keyof Methods]
type Chunks = AsyncIterable<Buffer>
type Text = Record<string, string>

/** Begins a call: sends the texts one after the other, and gives the head of the answer and its body. */
type Caller = (
  rpc: RunningApp['rpc'],
  path: string,
  headers: Text,
  texts: Iterable<string>,
) => Promise<{ status: number; headers: Text; body: Chunks }>

const callers: Record<string, Caller> = {
  async 'HTTP/1.1'({ port }, path, headers, texts) {
    const request = http.request({ port, path, method: 'POST', headers, agent: false })
    request.on('error', () => undefined)
    for (const text of texts) await written((done) => request.write(text, done))
    request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return {
      status: Number(response.statusCode),
      headers: response.headers as Text,
      body: response,
    }
  },
  async 'HTTP/2'({ url }, path, headers, texts) {
    const session = http2.connect(url)
    const stream = session.request({ ':method': 'POST', ':path': path, ...headers })
    stream.on('error', () => undefined).once('close', () => session.close())
    const answered = once(stream, 'response')
    for (const text of texts) await written((done) => stream.write(text, done))
    stream.end()
    const [fields] = (await answered) as [IncomingHttpHeaders & { ':status': number }]
    return { status: fields[':status'], headers: fields as Text, body: stream }
  },
}

function written(write: (done: () => void) => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  write(resolve)
  return promise
}

function envelope(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5, flags)
  head.writeUInt32BE(message.byteLength, 1)
  return Buffer.concat([head, message])
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function textOf<I extends DescMessage>(input: I, message: MessageInitShape<I>): string {
  return base64(envelope(toBinary(input, create(input, message))))
}

/** The envelopes of an answer, as they become complete. */
async function* envelopes(body: Chunks) {
  let text = ''
  let bytes = Buffer.alloc(0)
  for await (const chunk of body) {
    text += chunk.toString('latin1')
    const whole = text.slice(0, text.length - (text.length % 4))
    text = text.slice(whole.length)
    for (const part of whole.match(/[^=]+=*/g) ?? [])
      bytes = Buffer.concat([bytes, Buffer.from(part, 'base64')])
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const end = 5 + bytes.readUInt32BE(1)
      yield { flags: bytes[0], data: bytes.subarray(5, end) }
      bytes = bytes.subarray(end)
    }
  }
  if (bytes.length > 0 || text !== '') throw new Error('the answer ends within an envelope')
}

/** What a call comes to: its messages, and its status with the details of an error. */
async function call<M extends Method>(
  caller: Caller,
  { rpc }: RunningApp,
  method: M,
  texts: Iterable<string>,
  sent: Text = {},
) {
  const headers = { 'content-type': 'application/grpc-web-text', 'x-grpc-web': '1', ...sent }
  const path = `/${method.parent.typeName}/${method.name}`
  const answer = await caller(rpc, path, headers, texts)
  const messages: MessageShape<M['output']>[] = []
  let trailers = new Headers(
    Object.entries(answer.headers).filter(([name]) => name.startsWith('grpc-')),
  )
  for await (const { flags, data } of envelopes(answer.body))
    if (flags === 0x80) trailers = trailerParse(data)
    else messages.push(fromBinary<M['output']>(method.output, data))
  const error = findTrailerError(trailers)
  return {
    http: answer.status,
    type: answer.headers['content-type'],
    status: trailers.get('grpc-status'),
    messages,
    reason: error?.findDetails(ErrorInfoSchema)[0]?.reason,
    fields: error
      ?.findDetails(BadRequestSchema)
      .flatMap(({ fieldViolations }) => fieldViolations.map(({ field }) => field)),
  }
}

const { createUser, getUser } = User.method
const { watch } = Health.method
const type = 'application/grpc-web-text+proto'
const ada = { name: 'Ada Lovelace', email: 'ada@example.org' }

/** The service, and a user in it. */
async function serve(t: Test, caller: Caller) {
  const app = await startApp(t, { storage: 'sqlite', maxBodyBytes: 2048, measured: true })
  const created = await call(caller, app, createUser, [textOf(createUser.input, ada)])
  t.match(created, { http: 200, type, status: '0', messages: [ada] })
  const [{ id } = { id: 0n }] = created.messages
  return { app, id }
}

/** A text cut into pieces of so many characters. */
function pieces(text: string, length: number): string[] {
  return text.match(new RegExp(`.{1,${length}}`, 'g')) ?? []
}

for (const [version, caller] of Object.entries(callers)) {
  test(`a unary call in base64 is served however its text is cut, over ${version}`, async (t) => {
    const { app, id } = await serve(t, caller)
    const text = textOf(getUser.input, { id })
    const bytes = Buffer.from(text, 'base64')
    const padded = [...bytes].map((byte) => base64(Buffer.of(byte)))
    const cuts = [
      [text],
      padded,
      [padded.join('')],
      ...[1, 3, 5].map((length) => pieces(text, length)),
    ]
    for (const texts of cuts)
      for (const spelling of [type, 'Application/gRPC-Web-Text', `${type}; charset=utf-8`]) {
        const answer = await call(caller, app, getUser, texts, { 'content-type': spelling })
        t.match(answer, { http: 200, type, status: '0', messages: [{ id, ...ada }] })
      }
  })

  test(`errors in base64 have their details, over ${version}`, async (t) => {
    const { app } = await serve(t, caller)
    const nobody = await call(caller, app, getUser, [textOf(getUser.input, { id: 99n })])
    t.match(nobody, { http: 200, type, status: '5', messages: [], reason: 'USER_NOT_FOUND' })
    const wrong = await call(caller, app, createUser, [textOf(createUser.input, { name: 'x' })])
    t.match(wrong, { status: '3', reason: 'INVALID_USER_INPUT', fields: ['email'] })
    const late = { 'grpc-timeout': '0m' }
    const text = textOf(getUser.input, { id: 1n })
    t.match(await call(caller, app, getUser, [text], late), { status: '4' })
    const odd = { 'grpc-timeout': '1' }
    const timeout = await call(caller, app, getUser, [text], odd)
    t.match(timeout, { http: 200, type, status: '3', reason: 'MALFORMED_REQUEST' })
  })

  test(`a text that is no base64 is INVALID_ARGUMENT, over ${version}`, async (t) => {
    const { app } = await serve(t, caller)
    const good = textOf(watch.input, { service: '' })
    const bad = ['*', '_-', '=', 'A', 'AA', 'AAA', 'A===', 'AA=A', '====', ' AAA', '\n', 'é']
    for (const method of [getUser, watch])
      for (const texts of [[good.slice(0, -1)], [good, '!'], ...bad.map((text) => [text])]) {
        const answer = await call(caller, app, method, texts)
        const refused = { http: 200, type, status: '3', messages: [], reason: 'MALFORMED_BODY' }
        t.match(answer, refused, `${method.name} with ${texts.join(' and ')}`)
      }
    const lines = app.log().filter(({ reason }) => reason === 'MALFORMED_BODY')
    t.ok(lines.length > 0)
    t.ok(lines.every(({ protocol, level }) => protocol === 'grpc-web' && level === 'info'))
  })

  test(`the limit of a body counts the bytes that base64 stands for, over ${version}`, async (t) => {
    const { app } = await serve(t, caller)
    const message = (length: number) => base64(envelope(Buffer.alloc(length)))
    for (const method of [getUser, watch]) {
      const allowed = await call(caller, app, method, [message(2048)])
      t.match(allowed, { status: '3', reason: 'MALFORMED_BODY' }, 'zeros are no message')
      const refused = await call(caller, app, method, [message(2049)])
      t.match(refused, { http: 200, type, status: '8', reason: 'BODY_TOO_LARGE' }, method.name)
    }
  })

  test(`a stream in base64 comes message by message and ends with its status, over ${version}`, async (t) => {
    const { app } = await serve(t, caller)
    const headers = { 'content-type': type }
    const path = `/${Health.typeName}/${watch.name}`
    const text = textOf(watch.input, { service: User.typeName })
    const answer = await caller(app.rpc, path, headers, pieces(text, 3))
    t.match(answer, { status: 200, headers: { 'content-type': type } })
    const seen = envelopes(answer.body)
    t.match((await seen.next()).value, { flags: 0 }, 'serving')
    const closed = app.close()
    t.match((await seen.next()).value, { flags: 0 }, 'not serving')
    const { value: last } = await seen.next()
    t.equal(last?.flags, 0x80)
    const error = findTrailerError(trailerParse(last?.data ?? Buffer.alloc(0)))
    t.match(error?.findDetails(ErrorInfoSchema), [{ reason: 'SHUTTING_DOWN' }])
    t.equal((await seen.next()).done, true)
    await closed
  })

  test(`calls in base64 are gRPC-Web in log and metrics, over ${version}`, async (t) => {
    const { app, id } = await serve(t, caller)
    await call(caller, app, getUser, [textOf(getUser.input, { id })])
    const calls = app.log().filter(({ path }) => String(path).endsWith('/GetUser'))
    t.match(calls, [{ protocol: 'grpc-web', code: 200 }])
    const metrics = await (await fetch(`${app.metrics}/metrics`)).text()
    t.match(metrics, /server_requests_code_total\{[^}]*kind="grpc-web"[^}]*GetUser[^}]*\} 1/)
  })
}
