// Runs in a browser, on a page that belongs to neither port. It calls both, and posts what it saw to
// where it comes from.
import type { JsonValue } from '@bufbuild/protobuf'
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { BadRequestSchema, ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'
import { Health } from '../../../src/gen/health/v1/health_pb.ts'
import { googleTransport } from './google-client.ts'
import { readable, type RestAnswer, restRows, type RestRow } from './rows.ts'

/** What a call came to, as far as the browser shows it to a page. */
export type Seen<T> = { value: T } | { error: CallError }

export interface CallError {
  message: string
  code?: string
  reason?: string
  fields?: string[]
}

export type RpcReport = Record<string, Seen<JsonValue>>

export interface Report {
  rest: Record<string, Seen<RestAnswer>>
  /** By protocol, then by what was tried. */
  rpc: Record<string, RpcReport>
  /** Of the service that takes no calls. */
  overloaded: Record<string, Seen<JsonValue | RestAnswer>>
}

async function seen<T>(call: () => Promise<T>): Promise<Seen<T>> {
  try {
    return { value: await call() }
  } catch (err) {
    return { error: err instanceof ConnectError ? rpcError(err) : { message: String(err) } }
  }
}

function rpcError(err: ConnectError): CallError {
  const [info] = err.findDetails(ErrorInfoSchema)
  const violations = err.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations)
  return {
    message: err.rawMessage,
    code: Code[err.code],
    reason: info?.reason ?? '',
    fields: violations.map(({ field }) => field),
  }
}

async function callRest(
  url: string,
  { method, path, body, headers }: RestRow,
): Promise<RestAnswer> {
  const response = await fetch(`${url}${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
  })
  const told = readable.flatMap((name) => {
    const value = response.headers.get(name)
    return value === null ? [] : [[name, value] as const]
  })
  const answer = (await response.json()) as JsonValue
  return { status: response.status, body: answer, headers: Object.fromEntries(told) }
}

/** One client's whole use of the service; what it says is JSON, so no bigint. */
async function callRpc(protocol: string, transport: Transport): Promise<RpcReport> {
  const users = createClient(User, transport)
  const health = createClient(Health, transport)
  let id = 1n
  const calls: Record<string, () => Promise<JsonValue>> = {
    create: async () => {
      const created = await users.createUser({
        name: protocol,
        email: `${protocol.replaceAll(' ', '.')}@example.org`,
      })
      ;({ id } = created)
      return created.name
    },
    get: async () => (await users.getUser({ id })).name,
    'get with a deadline': async () => (await users.getUser({ id }, { timeoutMs: 10_000 })).name,
    list: async () => (await users.listUsers({ pageSize: 1 })).users.length,
    update: async () => (await users.updateUser({ id, user: { phone: '123' } })).phone,
    delete: async () => (await users.deleteUser({ id })).$typeName,
    'get of nobody': async () => (await users.getUser({ id })).name,
    'a create that breaks rules': async () => (await users.createUser({ name: 'x' })).name,
    'the first message of a stream': async () => {
      const leave = new AbortController()
      for await (const { status } of health.watch({}, { signal: leave.signal })) {
        setTimeout(() => leave.abort())
        return status
      }
      return 'none'
    },
    'a stream that its deadline ends': async () => {
      let last: JsonValue = 'none'
      for await (const { status } of health.watch({}, { timeoutMs: 300 })) last = status
      return last
    },
  }
  const report: RpcReport = {}
  for (const [title, call] of Object.entries(calls)) report[title] = await seen(call)
  return report
}

function transports(baseUrl: string): Record<string, Transport> {
  return {
    'Connect JSON': createConnectTransport({ baseUrl }),
    'Connect JSON by GET': createConnectTransport({ baseUrl, useHttpGet: true }),
    'Connect binary by GET': createConnectTransport({
      baseUrl,
      useHttpGet: true,
      useBinaryFormat: true,
    }),
    'gRPC-Web': createGrpcWebTransport({ baseUrl }),
    'gRPC-Web in base64': googleTransport(baseUrl),
  }
}

/** Sends creates that no browser asks leave for, and whose answers it never shows. */
async function sendWithoutLeave(url: string): Promise<void> {
  const types = [
    undefined,
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
  ]
  for (const type of types) {
    const json = JSON.stringify({ name: 'Eve', email: `eve-${types.indexOf(type)}@example.org` })
    const body = new Blob([json], type === undefined ? {} : { type })
    await fetch(url, { method: 'POST', mode: 'no-cors', body })
  }
}

async function run({ rest, rpc, fullRest, fullRpc }: Record<string, string>): Promise<Report> {
  const report: Report = { rest: {}, rpc: {}, overloaded: {} }
  for (const [title, row] of Object.entries(restRows))
    report.rest[title] = await seen(() => callRest(`${rest}`, row))
  for (const [protocol, transport] of Object.entries(transports(`${rpc}`)))
    report.rpc[protocol] = await callRpc(protocol, transport)
  report.overloaded['REST'] = await seen(() => callRest(`${fullRest}`, restRows.list))
  for (const [protocol, transport] of Object.entries(transports(`${fullRpc}`)))
    report.overloaded[protocol] = await seen(async () => {
      const { total } = await createClient(User, transport).listUsers({})
      return total
    })
  await sendWithoutLeave(`${rest}/v1/users`)
  await sendWithoutLeave(`${rpc}/${User.typeName}/CreateUser`)
  return report
}

const report = await run(Object.fromEntries(new URL(import.meta.url).searchParams))
await fetch('/report', { method: 'POST', body: JSON.stringify(report) })
