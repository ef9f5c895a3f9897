import { type IncomingMessage, request } from 'node:http'
import { once } from 'node:events'
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import { findTrailerError } from '@connectrpc/connect/protocol-grpc'
import { trailerParse } from '@connectrpc/connect/protocol-grpc-web'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'
import type { RunningApp } from '../../help/app.ts'

export type Sent = Record<string, string>
/** What a call comes to: OK, or the code and reason of its error. */
export type Call = (headers: Sent) => Promise<string>
type Ports = Pick<RunningApp, 'rest' | 'rpc'>

export const ok = 'OK'
export const unauthorized = 'unauthenticated UNAUTHORIZED'
export const forbidden = 'permission_denied FORBIDDEN'
export const unavailable = 'unavailable AUTH_UNAVAILABLE'
const byStatus: Record<number, string> = {
  200: ok,
  401: unauthorized,
  403: forbidden,
  503: unavailable,
}

type Version = '1.1' | '2'

/** Clients by protocol; one has HTTP/2 in any case, as gRPC has. */
function transports(
  { rpc: { url: baseUrl } }: Ports,
  httpVersion: Version,
): Record<string, Transport> {
  return {
    Connect: createConnectTransport({ baseUrl, httpVersion }),
    'Connect JSON over HTTP/2': createConnectTransport({
      baseUrl,
      httpVersion: '2',
      useBinaryFormat: false,
    }),
    gRPC: createGrpcTransport({ baseUrl }),
    'gRPC-Web': createGrpcWebTransport({ baseUrl, httpVersion }),
  }
}

type Users = ReturnType<typeof createClient<typeof User>>
type ByUsers = (users: Users, headers: Sent) => Promise<unknown>

async function first(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages) break
}

async function* none(): AsyncGenerator<never> {}

const reads: Record<string, ByUsers> = {
  ListUsers: (users, headers) => users.listUsers({}, { headers }),
  ExportUsers: (users, headers) => first(users.exportUsers({}, { headers })),
  WatchUsers: (users, headers) => first(users.watchUsers({ snapshot: true }, { headers })),
}

const writes: Record<string, ByUsers> = {
  ImportUsers: (users, headers) => users.importUsers(none(), { headers }),
  SyncUsers: (users, headers) => first(users.syncUsers(none(), { headers })),
}

/** Left out for time: each stream goes by other protocols, and each protocol has other streams. */
const left = new Set([
  'Connect WatchUsers',
  'Connect JSON over HTTP/2 ExportUsers',
  'gRPC-Web ExportUsers',
  'Connect ImportUsers',
  'Connect JSON over HTTP/2 SyncUsers',
  'gRPC-Web SyncUsers',
])

function byRpc(
  ports: Ports,
  version: Version,
  methods: Record<string, ByUsers>,
): Record<string, Call> {
  const all = Object.entries(transports(ports, version)).flatMap(([protocol, transport]) => {
    const users = createClient(User, transport)
    return Object.entries(methods).map(([method, call]): [string, Call] => [
      `${protocol} ${method}`,
      (headers) => outcome(() => call(users, headers)),
    ])
  })
  return Object.fromEntries(all.filter(([way]) => !left.has(way)))
}

/** Each way to read users, of which there is one at least. */
export function readCalls(ports: Ports): Record<string, Call> {
  const { rest, rpc } = ports
  const cached = createConnectTransport({ baseUrl: rpc.url, httpVersion: '1.1', useHttpGet: true })
  const events = { accept: 'text/event-stream' }
  return {
    REST: byRest(`${rest.url}/v1/users`),
    'REST ExportUsers': byRest(`${rest.url}/v1/users:export`),
    'REST WatchUsers': byRest(`${rest.url}/v1/users:watch?snapshot=true`),
    'REST WatchUsers as events': byRest(`${rest.url}/v1/users:watch?snapshot=true`, {
      headers: events,
    }),
    'Connect by GET': (headers) =>
      outcome(() => createClient(User, cached).listUsers({}, { headers })),
    'gRPC-Web as text': (headers) => outcome(() => byText(ports, headers)),
    ...byRpc(ports, '1.1', reads),
  }
}

/** Each way to write users by a stream. */
export function writeCalls(ports: Ports): Record<string, Call> {
  const json = (type: string, body: string) =>
    byRest(`${ports.rest.url}/v1/users:import`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    })
  return {
    'REST ImportUsers as lines': json('application/x-ndjson', ''),
    'REST ImportUsers as an array': json('application/json', '[]'),
    // Both directions at once need HTTP/2.
    ...byRpc(ports, '2', writes),
  }
}

/** What the promise of a call comes to. */
export async function outcome(call: () => Promise<unknown>): Promise<string> {
  try {
    await call()
    return ok
  } catch (err) {
    const error = ConnectError.from(err)
    const [info] = error.findDetails(ErrorInfoSchema)
    return `${Code[error.code].replace(/(?<!^)[A-Z]/g, '_$&').toLowerCase()} ${info?.reason}`
  }
}

interface Init {
  method?: string
  headers?: Sent
  body?: string
}

/** A stream is left as soon as it is there. */
function byRest(url: string, init: Init = {}): Call {
  return async function call(headers) {
    const response = await fetch(url, { ...init, headers: { ...init.headers, ...headers } })
    if (response.status === 200) {
      await response.body?.cancel()
      return ok
    }
    const { reason } = JSON.parse(await response.text()) as { reason: string }
    const found = byStatus[response.status] ?? `${response.status}`
    return found.endsWith(` ${reason}`) ? found : `${response.status} ${reason}`
  }
}

/** The list of users as browsers that cannot read bytes ask for it. */
async function byText({ rpc: { port } }: Ports, headers: Sent): Promise<void> {
  const type = 'application/grpc-web-text'
  const sent = request({
    port,
    path: '/api.user.v1.User/ListUsers',
    method: 'POST',
    headers: { ...headers, 'content-type': type, accept: type },
  })
  sent.end(Buffer.alloc(5).toString('base64'))
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  const error = findTrailerError(trailersOf(text))
  if (error) throw error
}

/** The trailers are the last envelope of the body, each part of which is padded by itself. */
function trailersOf(text: string): Headers {
  const parts = text.match(/[^=]+=*/g) ?? []
  let rest = Buffer.concat(parts.map((part) => Buffer.from(part, 'base64')))
  while (rest.length >= 5 && rest[0] !== 0x80) rest = rest.subarray(5 + rest.readUInt32BE(1))
  if (rest[0] !== 0x80) throw new Error(`no end of the call in ${text}`)
  return trailerParse(rest.subarray(5))
}
