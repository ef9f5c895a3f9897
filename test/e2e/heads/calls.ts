import { brotliDecompressSync, gunzipSync, gzipSync, zstdDecompressSync } from 'node:zlib'
import { type DescMessage, fromBinary, toJson } from '@bufbuild/protobuf'
import { GetUserReplySchema, ListUsersReplySchema } from '../../../src/gen/api/user/v1/user_pb.ts'

/** How a protocol holds its messages in a body. */
export type Form = 'plain' | 'enveloped' | 'enveloped with trailers'

/** A well-formed call that succeeds, before its headers are changed. */
export interface Call {
  name: string
  port: 'rest' | 'rpc'
  protocol: 'rest' | 'connect' | 'grpc' | 'grpc-web'
  method: string
  target: string
  headers: Record<string, string>
  body?: Buffer
  form: Form
  /** For a stream of both sides. */
  onlyHttp2?: boolean
  /** Whether this is the message that its answer must hold. */
  isMessage: (message: Buffer) => boolean
}

const path = '/api.user.v1.User'
const user1 = '{"id":"1"}'
/** {"id":"1"} in binary. */
const binary1 = Buffer.from([8, 1])

function isJson(matches: (value: Record<string, unknown>) => boolean) {
  return (message: Buffer) => matches(JSON.parse(message.toString()) as Record<string, unknown>)
}

function isBinary(schema: DescMessage, matches: (value: Record<string, unknown>) => boolean) {
  return (message: Buffer) =>
    matches(toJson(schema, fromBinary(schema, message)) as Record<string, unknown>)
}

const isUser1 = ({ id, name }: Record<string, unknown>) => id === '1' && name === 'Ada'
/** Long enough to be compressed. */
const isList = ({ users }: Record<string, unknown>) => Array.isArray(users) && users.length === 20

/** One message of gRPC, gRPC-Web or a stream of Connect. */
function envelope(message: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(flags)
  head.writeUInt32BE(message.byteLength, 1)
  return Buffer.concat([head, message])
}

const restCalls: Call[] = [
  ['GET of REST', 'GET', '/v1/users/1', isUser1],
  ['list of REST', 'GET', '/v1/users', isList],
  ['PATCH of REST', 'PATCH', '/v1/users/1', isUser1],
].map(([name, method, target, matches]) => ({
  name: String(name),
  port: 'rest',
  protocol: 'rest',
  method: String(method),
  target: String(target),
  form: 'plain',
  isMessage: isJson(matches as typeof isUser1),
  ...(method === 'PATCH'
    ? { headers: { 'content-type': 'application/json' }, body: Buffer.from('{"name":"Ada"}') }
    : { headers: {} }),
}))

type Posted = Pick<Call, 'name' | 'protocol' | 'headers' | 'body' | 'form' | 'isMessage'>

const posted = (method: string, call: Posted): Call => ({
  port: 'rpc',
  method: 'POST',
  target: `${path}/${method}`,
  ...call,
})

function connectCalls(): Call[] {
  const json = { 'content-type': 'application/json' }
  const proto = { 'content-type': 'application/proto' }
  const common = { protocol: 'connect', form: 'plain' } as const
  const byGet = { ...common, port: 'rpc', method: 'GET', headers: {} } as const
  const query = `connect=v1&encoding=json&message=${encodeURIComponent(user1)}`
  const compressed = `base64=1&compression=gzip&message=${gzipSync('{}').toString('base64url')}`
  const user = { body: Buffer.from(user1), isMessage: isJson(isUser1) }
  const zipped = { ...json, 'content-encoding': 'gzip' }
  return [
    posted('GetUser', { ...common, ...user, name: 'Connect JSON', headers: json }),
    posted('GetUser', {
      ...common,
      name: 'Connect binary',
      headers: proto,
      body: binary1,
      isMessage: isBinary(GetUserReplySchema, isUser1),
    }),
    posted('ListUsers', {
      ...common,
      name: 'gzipped list of Connect',
      headers: zipped,
      body: gzipSync('{}'),
      isMessage: isJson(isList),
    }),
    {
      ...byGet,
      name: 'Connect GET',
      target: `${path}/GetUser?${query}`,
      isMessage: isJson(isUser1),
    },
    {
      ...byGet,
      name: 'compressed Connect GET',
      target: `${path}/ListUsers?connect=v1&encoding=json&${compressed}`,
      isMessage: isJson(isList),
    },
    {
      ...posted('ServerReflectionInfo', {
        name: 'stream of Connect',
        protocol: 'connect',
        form: 'enveloped with trailers',
        headers: { 'content-type': 'application/connect+json' },
        body: envelope(Buffer.from('{"listServices":""}')),
        isMessage: (message) => message.includes('api.user.v1.User'),
      }),
      onlyHttp2: true,
      target: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    },
  ]
}

function grpcCalls(): Call[] {
  const users = { isMessage: isBinary(GetUserReplySchema, isUser1), body: envelope(binary1) }
  const list = { isMessage: isBinary(ListUsersReplySchema, isList), body: envelope(Buffer.of()) }
  const json = { isMessage: isJson(isUser1), body: envelope(Buffer.from(user1)) }
  const grpc = { protocol: 'grpc', form: 'enveloped' } as const
  const web = { protocol: 'grpc-web', form: 'enveloped with trailers' } as const
  const type = (name: string) => ({ headers: { 'content-type': name, te: 'trailers' } })
  const zipped = { headers: { ...type('application/grpc').headers, 'grpc-encoding': 'gzip' } }
  const gzipped = { ...list, body: envelope(gzipSync(Buffer.of()), 1) }
  return [
    posted('GetUser', { ...grpc, ...users, ...type('application/grpc'), name: 'gRPC' }),
    posted('GetUser', { ...grpc, ...json, ...type('application/grpc+json'), name: 'gRPC JSON' }),
    posted('ListUsers', { ...grpc, ...gzipped, ...zipped, name: 'gzipped list of gRPC' }),
    posted('GetUser', { ...web, ...users, ...type('application/grpc-web'), name: 'gRPC-Web' }),
    posted('ListUsers', {
      ...web,
      ...list,
      ...type('application/grpc-web+proto'),
      name: 'list of gRPC-Web',
    }),
  ]
}

export const calls: readonly Call[] = [...restCalls, ...connectCalls(), ...grpcCalls()]

/** Undoes a compression that a header names. Throws for one that the service does not have. */
export function decompressed(bytes: Buffer, coding: string | null): Buffer {
  const decompress = {
    identity: (plain: Buffer) => plain,
    gzip: gunzipSync,
    br: brotliDecompressSync,
    zstd: zstdDecompressSync,
  }[coding ?? 'identity']
  if (!decompress) throw new Error(`a coding ${coding} is not known`)
  return decompress(bytes)
}
