import {
  type DescMethodUnary,
  fromJson,
  fromJsonString,
  getOption,
  type JsonObject,
  type JsonValue,
  toJson,
} from '@bufbuild/protobuf'
import { ConnectError, type Transport } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { codeToString } from '@connectrpc/connect/protocol-connect'
import { Order } from '../../../src/gen/api/order/v1/order_pb.ts'
import { http as httpRule } from '../../../src/gen/google/api/annotations_pb.ts'
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'
import type { RunningApp } from '../../help/app.ts'

type Text = Record<string, string>
type Method = keyof typeof Order.method

/** What a call comes to: its answer with default values, or its error as the protocol tells it. */
export type Outcome = JsonObject | { failed: string | number; reason: string; metadata: Text }

/** Makes one call from the JSON form of its request message, with headers. */
export type Ask = (method: Method, request: JsonObject, headers?: Text) => Promise<Outcome>

/** A caller for each protocol. */
export function callers({ rest, rpc }: Pick<RunningApp, 'rest' | 'rpc'>): Record<string, Ask> {
  const options = { baseUrl: rpc.url, httpVersion: '1.1' as const }
  return {
    REST: byRest(rest.url, 0),
    'REST at /api': byRest(rest.url, 1),
    'Connect JSON': byTransport(createConnectTransport({ ...options, useBinaryFormat: false })),
    'Connect binary': byTransport(createConnectTransport({ ...options, useBinaryFormat: true })),
    gRPC: byTransport(createGrpcTransport({ baseUrl: rpc.url })),
    'gRPC-Web': byTransport(createGrpcWebTransport(options)),
  }
}

function answerOf(method: Method, text: string): JsonObject {
  const { output } = Order.method[method]
  const message = fromJsonString(output, text)
  return toJson(output, message, { alwaysEmitImplicit: true }) as JsonObject
}

function byTransport(transport: Transport): Ask {
  return async function ask(method, request, headers) {
    const desc: DescMethodUnary = Order.method[method]
    try {
      const message = fromJson(desc.input, request)
      const answer = await transport.unary(desc, undefined, undefined, headers, message)
      return answerOf(method, JSON.stringify(toJson(desc.output, answer.message)))
    } catch (err) {
      const error = ConnectError.from(err)
      const [info] = error.findDetails(ErrorInfoSchema)
      const metadata = { ...info?.metadata }
      return { failed: codeToString(error.code), reason: info?.reason ?? '', metadata }
    }
  }
}

/** By the rule of each method, or by its additional binding. */
function byRest(url: string, binding: 0 | 1): Ask {
  return async function ask(method, request, headers) {
    const first = getOption(Order.method[method], httpRule)
    const rule = binding === 0 ? first : first.additionalBindings[0]
    const { pattern, body } = rule ?? first
    const left: JsonObject = { ...request }
    const template = typeof pattern.value === 'string' ? pattern.value : ''
    const path = template.replace(/\{(\w+)\}/, (_variable, name: string) => {
      delete left[name]
      return textOf(request[name] ?? 0)
    })
    const query = Object.entries(left).map(([name, value]): [string, string] => [
      name,
      textOf(value),
    ])
    const init = {
      method: String(pattern.case).toUpperCase(),
      headers: { ...headers, ...(body === '*' && { 'content-type': 'application/json' }) },
      ...(body === '*' && { body: JSON.stringify(left) }),
    }
    const search = body === '*' ? '' : `?${new URLSearchParams(query).toString()}`
    const response = await fetch(`${url}${path}${search}`, init)
    const text = await response.text()
    if (response.ok) return answerOf(method, text)
    const { code, reason, metadata } = JSON.parse(text) as {
      code: number
      reason: string
      metadata: Text
    }
    return { failed: code, reason, metadata: inProtoNames(metadata) }
  }
}

function textOf(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** REST names fields in the JSON spelling if they were sent so. */
function inProtoNames(metadata: Text): Text {
  const names = Object.entries(metadata).map(([name, value]) => [
    name.replace(/[A-Z]/g, (upper) => `_${upper.toLowerCase()}`),
    value,
  ])
  return Object.fromEntries(names) as Text
}

let made = 0

/** Creates a user at the REST port and gives its id. */
export async function newUser(url: string): Promise<string> {
  const body = JSON.stringify({ name: 'Ada', email: `orders-${(made += 1)}@example.com` })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${url}/v1/users`, { method: 'POST', headers, body })
  return ((await response.json()) as { id: string }).id
}
