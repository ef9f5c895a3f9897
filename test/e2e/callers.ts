import { isDeepStrictEqual } from 'node:util'
import {
  type DescMethodUnary,
  fromJson,
  fromJsonString,
  getOption,
  type JsonObject,
  type JsonValue,
  toJson,
} from '@bufbuild/protobuf'
import { Code, ConnectError, type Transport } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { codeToString, errorFromJson } from '@connectrpc/connect/protocol-connect'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { http as httpRule } from '../../src/gen/google/api/annotations_pb.ts'
import { BadRequestSchema, ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import type { RunningApp } from '../help/app.ts'
import { http1Wire, type Send, type Wire } from './wire.ts'

type Methods = typeof User.method

/** The names of the unary methods. */
export type Method = {
  [Name in keyof Methods]: Methods[Name]['methodKind'] extends 'unary' ? Name : never
}[keyof Methods]
export type Text = Record<string, string>

/** What a call comes to, in words that all protocols share. */
export type Outcome =
  | { message: JsonValue }
  | { code: string; reason: string; metadata: Text; fields: Text }

/** Makes one call from the JSON form of its request message, read as `as` says it. */
export type Call = (method: Method, request: JsonObject) => Promise<Outcome>

export const protocols = ['REST', 'Connect JSON', 'Connect binary', 'gRPC', 'gRPC-Web'] as const
export type Protocol = (typeof protocols)[number]

/**
 * A caller for each protocol; gRPC is over HTTP/2 in any case. Those of JSON send the request as it
 * is, null and all.
 */
export function callers(
  { rest, rpc }: Pick<RunningApp, 'rest' | 'rpc'>,
  { httpVersion, credentials, sender }: Wire = http1Wire(),
): Record<Protocol, Call> {
  const options = { baseUrl: rpc.url, httpVersion, nodeOptions: credentials }
  const json = byTransport(createConnectTransport({ ...options, useBinaryFormat: false }))
  const jsonAsSent = byConnectJson(sender(rpc.url))
  return {
    REST: byRest(sender(rest.url)),
    'Connect JSON': (method, request) =>
      onlyJsonSays(request) ? jsonAsSent(method, request) : json(method, request),
    'Connect binary': byTransport(createConnectTransport({ ...options, useBinaryFormat: true })),
    gRPC: byTransport(createGrpcTransport({ baseUrl: rpc.url, nodeOptions: credentials })),
    'gRPC-Web': byTransport(createGrpcWebTransport(options)),
  }
}

/** Null and lone surrogates: a client library that reads a message first cannot say them. */
function onlyJsonSays(value: JsonValue | undefined): boolean {
  if (value === null) return true
  if (typeof value === 'string') return !value.isWellFormed()
  return typeof value === 'object' && Object.values(value).some(onlyJsonSays)
}

function unary(method: Method): DescMethodUnary {
  return User.method[method]
}

function succeeded(method: Method, message: JsonValue | undefined): Outcome {
  const { output } = unary(method)
  return {
    message: toJson(output, fromJson(output, message ?? {}), { alwaysEmitImplicit: true }),
  }
}

function byTransport(transport: Transport): Call {
  return async function call(method, request) {
    const desc = unary(method)
    const input = fromJson(desc.input, request)
    try {
      const { message } = await transport.unary(desc, undefined, undefined, undefined, input)
      return succeeded(method, toJson(desc.output, message))
    } catch (err) {
      return failed(ConnectError.from(err))
    }
  }
}

/**
 * A caller over REST by a client library, which has what an HTTP status can say: one code for all of
 * 409, and no list of fields.
 */
export function byRestTransport(transport: Transport): Call {
  const call = byTransport(transport)
  return async function callRest(method, request) {
    const outcome = await call(method, request)
    if ('message' in outcome) return outcome
    const { code, reason } = outcome
    const metadata = inProtoNames(method, reason, outcome.metadata)
    return {
      code: code === 'aborted' ? 'already_exists' : code,
      reason,
      metadata,
      fields: reason === 'INVALID_USER_INPUT' ? metadata : {},
    }
  }
}

function byConnectJson(send: Send): Call {
  return async function call(method, request) {
    const path = `/${User.typeName}/${unary(method).name}`
    const { status, body } = await send('POST', path, JSON.stringify(request))
    const json = JSON.parse(body) as JsonValue
    if (status === 200) return succeeded(method, json)
    return failed(errorFromJson(json, undefined, new ConnectError('unreadable', Code.DataLoss)))
  }
}

function failed(err: ConnectError): Outcome {
  const [info] = err.findDetails(ErrorInfoSchema)
  const violations = err.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations)
  const fields: Text = {}
  for (const { field, description } of violations)
    fields[field] = field in fields ? `${fields[field]}; ${description}` : description
  return {
    code: codeToString(err.code),
    reason: info?.reason ?? '',
    metadata: { ...info?.metadata },
    fields,
  }
}

interface RestRequest {
  method: string
  path: string
  query?: JsonObject
  body?: JsonValue | undefined
}

/**
 * The request that a client generated from the proto's HTTP rule makes: the path's variables in the
 * path, the rule's body in the body, and all else in the query.
 */
function restRequest(method: Method, request: JsonObject): RestRequest {
  const { pattern, body } = getOption(unary(method), httpRule)
  const rest = { ...request }
  function take(name: string): JsonValue | undefined {
    const value = rest[name]
    delete rest[name]
    return value
  }
  const template = typeof pattern.value === 'string' ? pattern.value : ''
  const path = template.replace(/\{(\w+)\}/g, (_variable, name: string) => inPath(take(name)))
  const verb = { method: String(pattern.case).toUpperCase(), path }
  if (body === '*') return { ...verb, body: rest }
  return body === '' ? { ...verb, query: rest } : { ...verb, body: take(body), query: rest }
}

/** A path cannot leave its variable out. */
function inPath(id: JsonValue = '0'): string {
  return encodeURIComponent(inText(id))
}

function inText(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const codeOfStatus: Record<number, string> = {
  400: 'invalid_argument',
  404: 'not_found',
  409: 'already_exists',
  500: 'internal',
  503: 'unavailable',
}

function byRest(send: Send): Call {
  return async function call(method, request) {
    const { method: verb, path, query = {}, body } = restRequest(method, request)
    const params = new URLSearchParams()
    for (const [name, value] of Object.entries(query))
      if (value !== null) params.append(name, inText(value))
    const target = params.size > 0 ? `${path}?${params.toString()}` : path
    const sent = body === undefined ? undefined : JSON.stringify(body)
    const { status, body: text } = await send(verb, target, sent)
    if (status !== 200) return failedByRest(method, status, text)
    const outcome = succeeded(method, toJson(unary(method).output, readReply(method, text)))
    const exact = 'message' in outcome && isDeepStrictEqual(JSON.parse(text), outcome.message)
    if (!exact) throw new Error(`not the JSON form with default values: ${text}`)
    return outcome
  }
}

function readReply(method: Method, text: string) {
  return fromJsonString(unary(method).output, text)
}

/** REST names the fields as they were sent: in the JSON spelling, and without the body's own name. */
function inProtoNames(method: Method, reason: string, metadata: Text): Text {
  const names = Object.entries(metadata).map(([name, value]) => {
    const field = name.replace(/[A-Z]/g, (upper) => `_${upper.toLowerCase()}`)
    const inBody = method === 'updateUser' && ['name', 'email', 'phone'].includes(field)
    const ofField = reason === 'INVALID_USER_INPUT' || reason === 'MALFORMED_BODY'
    return [inBody && ofField ? `user.${field}` : field, value]
  })
  return Object.fromEntries(names) as Text
}

function failedByRest(method: Method, status: number, text: string): Outcome {
  const { code, reason, metadata } = JSON.parse(text) as {
    code: number
    reason: string
    metadata: Text
  }
  if (code !== status) throw new Error(`the body says ${code} and the status line ${status}`)
  const all = inProtoNames(method, reason, metadata)
  return {
    code: codeOfStatus[status] ?? `HTTP ${status}`,
    reason,
    metadata: all,
    fields: reason === 'INVALID_USER_INPUT' ? all : {},
  }
}
