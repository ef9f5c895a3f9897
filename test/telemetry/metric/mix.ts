import { once } from 'node:events'
import http2 from 'node:http2'
import net from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type DescMessage, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf'
import type { Test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import type { RunningApp } from '../../help/app.ts'
import { exchangeBytes } from '../../e2e/raw.ts'

/** What a call is counted as. */
export interface Counted {
  kind: string
  operation: string
  code: number
  reason: string
}

/** Makes one call, and fails where the answer is not the one that `counted` says. */
export interface Call {
  counted: Counted
  make: (index: number) => Promise<void>
}

const op = (method: string) => `/${User.typeName}/${method}`
const ok = { code: 200, reason: '' }
const missing = { code: 404, reason: 'USER_NOT_FOUND' }
const invalid = { code: 400, reason: 'INVALID_USER_INPUT' }
const taken = { code: 409, reason: 'USER_ALREADY_EXISTS' }
const malformed = { code: 400, reason: 'MALFORMED_BODY' }
const noRoute = { code: 404, reason: 'ROUTE_NOT_FOUND' }
const wrongMethod = { code: 405, reason: 'METHOD_NOT_ALLOWED' }
const wrongType = { code: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' }
const tooLarge = { code: 413, reason: 'BODY_TOO_LARGE' }
const tooLargeRpc = { code: 429, reason: 'BODY_TOO_LARGE' }
export const canceled = { code: 499, reason: 'CANCELED' }
export const late = { code: 504, reason: 'DEADLINE_EXCEEDED' }

/** The status of gRPC for the HTTP status of a code, where these calls need it. */
const grpcStatus: Record<number, string> = {
  200: '0',
  400: '3',
  404: '5',
  409: '6',
  429: '8',
  504: '4',
}

const valid = { name: 'Ada', email: 'ada@example.com' }

/** The clients of one run; closed when the test ends. */
export function clients(t: Test, { rest, rpc }: RunningApp) {
  const sessions = new Map(
    [rest.url, rpc.url].map((url) => {
      const session = http2.connect(url)
      session.on('error', () => undefined)
      t.teardown(() => session.destroy())
      return [url, session]
    }),
  )

  function session(url: string): http2.ClientHttp2Session {
    const known = sessions.get(url)
    if (known === undefined) throw new Error(`no session to ${url}`)
    return known
  }

  async function overH2(url: string, headers: http2.OutgoingHttpHeaders, body?: Uint8Array) {
    const stream = session(url).request(headers, { endStream: body === undefined })
    let trailers: http2.IncomingHttpHeaders = {}
    stream.once('trailers', (fields: http2.IncomingHttpHeaders) => (trailers = fields))
    const head = once(stream, 'response') as Promise<[http2.IncomingHttpHeaders]>
    if (body !== undefined) stream.end(body)
    const [, [fields]] = await Promise.all([buffer(stream), head])
    return { ...fields, ...trailers }
  }
  return { overH2, rest: rest.url, rpc: rpc.url, ports: [rest.port, rpc.port] }
}

export type Clients = ReturnType<typeof clients>

function expectStatus(what: string, got: unknown, want: unknown): void {
  if (String(got) !== String(want))
    throw new Error(`${what}: got ${String(got)}, want ${String(want)}`)
}

function fetched(counted: Counted, url: string, init: RequestInit = {}): Call {
  return {
    counted,
    async make() {
      const response = await fetch(url, init)
      await response.bytes()
      expectStatus(`${init.method ?? 'GET'} ${url}`, response.status, httpStatus(counted))
    },
  }
}

/** Connect answers with the status of its own table, which has 429 for a body that is too large. */
function httpStatus({ code }: Counted): number {
  return code
}

const jsonHeaders = { 'content-type': 'application/json' }
const post = (body: JsonValue | string, headers: Record<string, string> = jsonHeaders) => ({
  method: 'POST',
  headers,
  body: typeof body === 'string' ? body : JSON.stringify(body),
})

function restCalls({ rest }: Clients): Call[] {
  const http = (method: string, outcome: Pick<Counted, 'code' | 'reason'>): Counted => ({
    kind: 'http',
    operation: method === '' ? '_OTHER' : op(method),
    ...outcome,
  })
  const users = `${rest}/v1/users`
  return [
    fetched(http('GetUser', ok), `${users}/1`),
    fetched(http('ListUsers', ok), `${users}?page_size=3`),
    fetched(http('GetUser', missing), `${users}/999999`),
    fetched(http('CreateUser', invalid), users, post({ name: '', email: 'x' })),
    fetched(http('CreateUser', taken), users, post(valid)),
    fetched(http('CreateUser', malformed), users, post('{')),
    fetched(http('CreateUser', wrongType), users, post('a', { 'content-type': 'text/plain' })),
    fetched(http('CreateUser', tooLarge), users, post({ name: 'x'.repeat(2000) })),
    fetched(http('GetUser', { code: 400, reason: 'INVALID_PARAMETER' }), `${users}/x`),
    fetched(http('', { code: 400, reason: 'MALFORMED_URL' }), `${users}/%ZZ`),
    fetched(http('', noRoute), `${rest}/nowhere`),
    fetched(http('', wrongMethod), users, { method: 'PUT' }),
    fetched({ kind: 'http', operation: '/healthz', ...ok }, `${rest}/healthz`),
  ]
}

function connectCalls({ rpc }: Clients): Call[] {
  const connect = (method: string, outcome: Pick<Counted, 'code' | 'reason'>): Counted => ({
    kind: 'connect',
    operation: method === '' ? '_OTHER' : op(method),
    ...outcome,
  })
  const at = (method: string) => rpc + op(method)
  const query = `connect=v1&encoding=json&message=${encodeURIComponent('{"pageSize":2}')}`
  return [
    fetched(connect('GetUser', ok), at('GetUser'), post({ id: '1' })),
    fetched(connect('ListUsers', ok), `${at('ListUsers')}?${query}`),
    fetched(connect('GetUser', missing), at('GetUser'), post({ id: '999999' })),
    fetched(connect('CreateUser', invalid), at('CreateUser'), post({ name: '' })),
    fetched(connect('CreateUser', taken), at('CreateUser'), post(valid)),
    fetched(connect('CreateUser', malformed), at('CreateUser'), post('{')),
    fetched(connect('CreateUser', tooLargeRpc), at('CreateUser'), post('x'.repeat(2000))),
    fetched(connect('CreateUser', wrongMethod), at('CreateUser')),
    fetched(connect('', noRoute), at('NoSuchMethod'), post({})),
  ]
}

function envelope(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(bytes.byteLength, 1)
  return Buffer.concat([head, bytes])
}

const message = (desc: DescMessage, value: JsonValue) =>
  envelope(toBinary(desc, fromJson(desc, value)))

const bodies = {
  one: message(User.method.getUser.input, { id: '1' }),
  none: message(User.method.getUser.input, { id: '999999' }),
  list: message(User.method.listUsers.input, { pageSize: 3 }),
  invalid: message(User.method.createUser.input, { name: '' }),
  taken: message(User.method.createUser.input, valid),
  broken: envelope(Buffer.from([0x0a, 9, 0x61])),
}

function grpcCalls({ overH2, rpc }: Clients): Call[] {
  const call = (
    type: 'grpc' | 'grpc-web',
    method: string,
    outcome: Pick<Counted, 'code' | 'reason'>,
    body: Uint8Array,
    status = grpcStatus[outcome.code],
  ): Call => ({
    counted: { kind: type, operation: method === 'Nothing' ? '_OTHER' : op(method), ...outcome },
    async make() {
      const answer = await overH2(
        rpc,
        {
          ':method': 'POST',
          ':path': op(method),
          'content-type': `application/${type}`,
          te: 'trailers',
        },
        body,
      )
      expectStatus(`${type} ${method}`, answer[':status'], 200)
      // gRPC-Web has its trailers in the body, but for answers of trailers only.
      if (type === 'grpc') expectStatus(`${type} ${method}`, answer['grpc-status'], status)
    },
  })
  return (['grpc', 'grpc-web'] as const).flatMap((type) => [
    call(type, 'GetUser', ok, bodies.one),
    call(type, 'ListUsers', ok, bodies.list),
    call(type, 'GetUser', missing, bodies.none),
    call(type, 'CreateUser', invalid, bodies.invalid),
    call(type, 'CreateUser', taken, bodies.taken),
    call(type, 'CreateUser', malformed, bodies.broken),
    call(type, 'Nothing', noRoute, bodies.one, '12'),
  ])
}

/** What is not even a request, on connections of their own. */
function rawCalls({ ports }: Clients): Call[] {
  return ports.flatMap((port, index) => {
    const kind = index === 0 ? 'http' : 'connect'
    const raw = (bytes: string, code: number, reason: string): Call => ({
      counted: { kind, operation: '_OTHER', code, reason },
      async make() {
        const { status } = await exchangeBytes(port, bytes)
        expectStatus(bytes.slice(0, 20), status, code)
      },
    })
    const long = `X-Long: ${'x'.repeat(17_000)}\r\n`
    return [
      raw('garbage\r\n\r\n', 400, 'MALFORMED_REQUEST'),
      raw('GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'MALFORMED_REQUEST'),
      raw(`GET / HTTP/1.1\r\nHost: x\r\n${long}\r\n`, 431, 'HEADERS_TOO_LARGE'),
    ]
  })
}

/**
 * A session for one call that is reset: the server ends those whose clients reset many. It closes
 * when its stream has.
 */
function sessionForReset(url: string): http2.ClientHttp2Session {
  const session = http2.connect(url)
  session.on('error', () => undefined)
  return session
}

/** Clients that leave in the middle of a body, when the server is known to have the head. */
function leavingCalls({ rest, rpc, ports }: Clients): Call[] {
  const create = op('CreateUser')
  const overHttp1 = (port: number, path: string, kind: string): Call => ({
    counted: { kind, operation: create, ...canceled },
    async make() {
      const socket = net.connect({ port, host: '127.0.0.1' })
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`
      socket.write(`${head}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n`)
      // The server has said "100 Continue", so it has begun the exchange.
      await once(socket, 'data')
      socket.resetAndDestroy()
    },
  })
  const overHttp2 = (url: string, path: string, type: string, kind: string): Call => ({
    counted: { kind, operation: create, ...canceled },
    async make() {
      const headers = { ':method': 'POST', ':path': path, 'content-type': type }
      const session = sessionForReset(url)
      const stream = session.request(headers)
      stream.on('error', () => undefined)
      stream.write('\0')
      await once(session, 'connect')
      // Frames are answered in their order.
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      session.ping((err) => (err ? reject(err) : resolve()))
      await promise
      stream.destroy()
      session.close()
    },
  })
  const [restPort = 0, rpcPort = 0] = ports
  return [
    overHttp1(restPort, '/v1/users', 'http'),
    overHttp1(rpcPort, create, 'connect'),
    overHttp2(rest, '/v1/users', 'application/json', 'http'),
    overHttp2(rpc, create, 'application/json', 'connect'),
    overHttp2(rpc, create, 'application/grpc', 'grpc'),
    overHttp2(rpc, create, 'application/grpc-web', 'grpc-web'),
  ]
}

/** Streams: one that ends by itself, and one that its client leaves. */
function streamCalls({ overH2, rpc }: Clients): Call[] {
  const reflection = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
  const watch = '/grpc.health.v1.Health/Watch'
  const head = (path: string) => ({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  return [
    {
      counted: { kind: 'grpc', operation: reflection, ...ok },
      async make() {
        // list_services, field 7.
        const list = envelope(Buffer.from([0x3a, 1, 0x2a]))
        const answer = await overH2(rpc, head(reflection), Buffer.concat([list, list]))
        expectStatus('reflection', answer['grpc-status'], 0)
      },
    },
    {
      counted: { kind: 'grpc', operation: watch, ...canceled },
      async make() {
        const session = sessionForReset(rpc)
        const stream = session.request(head(watch))
        stream.on('error', () => undefined)
        stream.end(envelope(Buffer.alloc(0)))
        await once(stream, 'data')
        stream.close(http2.constants.NGHTTP2_CANCEL)
        session.close()
      },
    },
  ]
}

/** Every kind of call that ends without waiting for the database. */
export function mixedCalls(all: Clients): Call[] {
  const groups = [restCalls, connectCalls, grpcCalls, rawCalls, leavingCalls, streamCalls]
  return groups.flatMap((calls) => calls(all))
}

/** Calls with a deadline of their own, for a database that does not answer. */
export function lateCalls({ overH2, rest, rpc }: Clients): Call[] {
  const seconds = 0.2
  const get = op('GetUser')
  const timeout = { 'X-Server-Timeout': String(seconds) }
  const connectTimeout = { ...jsonHeaders, 'Connect-Timeout-Ms': String(seconds * 1000) }
  const over = (type: 'grpc' | 'grpc-web'): Call => ({
    counted: { kind: type, operation: get, ...late },
    async make() {
      const headers = {
        ':method': 'POST',
        ':path': get,
        'content-type': `application/${type}`,
        te: 'trailers',
        'grpc-timeout': `${seconds * 1000}m`,
      }
      const answer = await overH2(rpc, headers, bodies.one)
      expectStatus(type, answer[':status'], 200)
    },
  })
  return [
    fetched({ kind: 'http', operation: get, ...late }, `${rest}/v1/users/1`, { headers: timeout }),
    fetched({ kind: 'connect', operation: get, ...late }, rpc + get, {
      ...post({ id: '1' }, connectTimeout),
    }),
    over('grpc'),
    over('grpc-web'),
  ]
}
