import { create, toBinary, toJsonString } from '@bufbuild/protobuf'
import { FieldMaskSchema } from '@bufbuild/protobuf/wkt'
import { Code } from '@connectrpc/connect'
import { findTrailerError } from '@connectrpc/connect/protocol-grpc'
import { trailerParse } from '@connectrpc/connect/protocol-grpc-web'
import { test, type Test } from 'tap'
import { UpdateUserRequestSchema } from '../../src/gen/api/user/v1/user_pb.ts'
import { type RunningApp, startApp } from '../help/app.ts'
import { h2Client } from './h2.ts'

const mostBytes = 8192
const user = '/api.user.v1.User'

function enveloped(message: string | Uint8Array): Buffer {
  const bytes = Buffer.from(message)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(bytes.byteLength, 1)
  return Buffer.concat([head, bytes])
}

interface Refusal {
  /** Bytes of the error: of its body, or of its trailers. */
  bytes: number
  text: string
}

/** What a method answers to a message, in each protocol of the RPC port. */
function rpcCalls(t: Test, { rpc }: RunningApp) {
  const h2 = h2Client(t, rpc.url)
  async function connect(
    path: string,
    type: string,
    body: string | Uint8Array,
    status = 400,
  ): Promise<Refusal> {
    const headers = { 'content-type': type }
    const answer = await fetch(rpc.url + path, { method: 'POST', headers, body: Buffer.from(body) })
    const text = await answer.text()
    t.equal(answer.status, status)
    return { bytes: text.length, text }
  }
  function fromTrailers(trailers: Headers, code = Code.InvalidArgument): Refusal {
    const error = findTrailerError(trailers)
    t.equal(error?.code, code)
    const fields = Array.from(trailers, ([name, value]) => name.length + value.length + 4)
    return { bytes: fields.reduce((sum, each) => sum + each, 0), text: error?.rawMessage ?? '' }
  }
  async function grpc(
    path: string,
    type: string,
    body: string | Uint8Array,
    code = Code.InvalidArgument,
  ): Promise<Refusal> {
    const sent = { ':method': 'POST', ':path': path, 'content-type': type, te: 'trailers' }
    const { trailers } = await h2(sent, enveloped(body))
    return fromTrailers(trailers, code)
  }
  async function grpcWeb(path: string, type: string, body: string | Uint8Array): Promise<Refusal> {
    const sent = { ':method': 'POST', ':path': path, 'content-type': type }
    const { bytes } = await h2(sent, enveloped(body))
    return fromTrailers(trailerParse(bytes.subarray(5)))
  }
  return { connect, grpc, grpcWeb }
}

const paths = (count: number) => Array.from({ length: count }, (_, index) => `p${index}x`)

test('an update mask of 60,000 unknown paths is refused in few bytes, with their number', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const { connect, grpc, grpcWeb } = rpcCalls(t, app)
  const path = `${user}/UpdateUser`
  const message = create(UpdateUserRequestSchema, {
    id: 1n,
    user: {},
    updateMask: create(FieldMaskSchema, { paths: paths(60_000) }),
  })
  const binary = toBinary(UpdateUserRequestSchema, message)
  const json = toJsonString(UpdateUserRequestSchema, message)
  for (const refusal of [
    await connect(path, 'application/json', json),
    await connect(path, 'application/proto', binary),
    await grpc(path, 'application/grpc', binary),
    await grpc(path, 'application/grpc+json', json),
    await grpcWeb(path, 'application/grpc-web+proto', binary),
  ]) {
    t.ok(refusal.bytes < mostBytes, `${refusal.bytes} bytes`)
    t.match(refusal.text, /unknown path \\?"p0x\\?"; allowed are \*, name, email, phone/)
    t.match(refusal.text, /and 59992 more problems, which are not listed/)
  }
})

/** Texts that grow in escapes, in base64 or in UTF-8, or that have none. */
const long = {
  plain: 'x'.repeat(200_000),
  spaces: 'a '.repeat(50_000),
  quotes: '"'.repeat(50_000),
  'control characters': '\u0001'.repeat(50_000),
  Chinese: '\u6f22'.repeat(50_000),
  emoji: `x${'\u{1f600}'.repeat(50_000)}`,
  'a lone surrogate': '\ud800',
}

test('as many malformed texts as a message can hold are one refusal', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const { connect, grpc } = rpcCalls(t, app)
  const updateMask = create(FieldMaskSchema, { paths: Array.from({ length: 300_000 }, () => '\0') })
  const request = toBinary(
    UpdateUserRequestSchema,
    create(UpdateUserRequestSchema, { id: 1n, updateMask }),
  )
  for (const refusal of [
    await connect(`${user}/UpdateUser`, 'application/proto', request),
    await grpc(`${user}/UpdateUser`, 'application/grpc', request),
  ]) {
    t.ok(refusal.bytes < mostBytes, `${refusal.bytes} bytes`)
    t.match(refusal.text, /update_mask\.paths: must be Unicode text/)
  }
})

test('what an error quotes is cut, whatever it is made of', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const { connect, grpc, grpcWeb } = rpcCalls(t, app)
  const create = `${user}/CreateUser`
  for (const [what, text] of Object.entries(long)) {
    const unknownKey = JSON.stringify({ [text]: 1 })
    const wrongMask = JSON.stringify({ id: '1', updateMask: `${text},${text}` })
    const refusals = [
      await connect(create, 'application/json', unknownKey),
      await grpc(create, 'application/grpc+json', unknownKey),
      await grpcWeb(create, 'application/grpc-web+json', unknownKey),
      await connect(`${user}/UpdateUser`, 'application/json', wrongMask),
      await grpc(`${user}/UpdateUser`, 'application/grpc+json', wrongMask),
    ]
    const headers = { 'content-type': 'application/json' }
    const rest = await fetch(`${app.rest.url}/v1/users`, {
      method: 'POST',
      headers,
      body: unknownKey,
    })
    t.equal(rest.status, 400, what)
    refusals.push({ bytes: Buffer.byteLength(await rest.text()), text: '' })
    for (const { bytes, text: said } of refusals) {
      t.ok(bytes < mostBytes, `${what}: ${bytes} bytes`)
      t.ok(said.isWellFormed(), what)
    }
  }
})

test('the name of an unknown service comes back cut, with its length', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const { connect, grpc } = rpcCalls(t, app)
  const body = JSON.stringify({ service: 'x'.repeat(100_000) })
  const path = '/grpc.health.v1.Health/Check'
  for (const { bytes, text } of [
    await connect(path, 'application/json', body, 404),
    await grpc(path, 'application/grpc+json', body, Code.NotFound),
  ]) {
    t.ok(bytes < mostBytes, `${bytes} bytes`)
    t.match(text, /there is no service x+… \(100020 characters\)/)
  }
})

test('what a path, a query or a form holds comes back cut from the REST port', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const repeated = 'nmae=1&'.repeat(50_000)
  const different = Array.from({ length: 50_000 }, (_, index) => `nmae${index}=1`).join('&')
  const requests: [target: string, init: RequestInit, status: number][] = [
    [`/v1/${'%01'.repeat(4000)}`, {}, 404],
    [`/v1/users?${'%22'.repeat(4000)}=1`, {}, 400],
    [`/v1/users/1?updateMask=${paths(1500).join(',')}`, { method: 'PATCH' }, 400],
    ['/v1/users', { method: 'POST', headers: form, body: repeated }, 400],
    ['/v1/users', { method: 'POST', headers: form, body: different }, 400],
    [
      '/v1/users',
      { method: 'POST', headers: { 'content-type': `a/${'b'.repeat(9000)}` }, body: '{}' },
      415,
    ],
    ['/v1/users', { headers: { accept: `a/${'b'.repeat(9000)}` } }, 406],
  ]
  for (const [target, init, status] of requests) {
    const answer = await fetch(rest.url + target, init)
    t.equal(answer.status, status, target.slice(0, 40))
    t.ok(Buffer.byteLength(await answer.text()) < mostBytes, target.slice(0, 40))
  }
})
