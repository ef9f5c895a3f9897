// The service of the Connect conformance suite: each request says how it is to be answered.
import { setTimeout as sleep } from 'node:timers/promises'
import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import { anyPack, type Any } from '@bufbuild/protobuf/wkt'
import { ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect'
import { codeFromString } from '@connectrpc/connect/protocol-connect'
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  CodeSchema,
  ConformancePayload_RequestInfoSchema,
  type ConformanceService,
  ConformancePayloadSchema,
  type Error as ErrorDefinition,
  type Header,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
} from './gen/connectrpc/conformance/v1/conformance_pb.ts'

type RequestInfo = MessageShape<typeof ConformancePayload_RequestInfoSchema>
type Definition = UnaryResponseDefinition | StreamResponseDefinition

function packed<Desc extends DescMessage>(desc: Desc, message: MessageShape<Desc>): Any {
  return anyPack(desc, message)
}

function toProto(fields: Headers | URLSearchParams): { name: string; value: string[] }[] {
  return [...fields].map(([name, value]) => ({
    name,
    value: value.split(',').map((part) => part.trim()),
  }))
}

function append(target: Headers, headers: Header[] = []): void {
  for (const { name, value } of headers) for (const each of value) target.append(name, each)
}

function seen(context: HandlerContext, requests: Any[]): RequestInfo {
  const timeoutMs = context.timeoutMs()
  return create(ConformancePayload_RequestInfoSchema, {
    requestHeaders: toProto(context.requestHeader),
    requests,
    ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.round(timeoutMs)) }),
    ...(context.requestMethod === 'GET' && {
      connectGetInfo: { queryParams: toProto(new URL(context.url).searchParams) },
    }),
  })
}

function failure({ code, message, details }: ErrorDefinition, info?: RequestInfo): ConnectError {
  const name = CodeSchema.value[code]?.localName.toLowerCase() ?? ''
  const err = new ConnectError(message ?? '', codeFromString(name))
  const given = details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1),
    value,
  }))
  const ours = info ? [{ desc: ConformancePayload_RequestInfoSchema, value: info }] : []
  err.details = [...given, ...ours]
  return err
}

function begin(context: HandlerContext, definition: Definition | undefined): void {
  append(context.responseHeader, definition?.responseHeaders)
  append(context.responseTrailer, definition?.responseTrailers)
}

function reply(data: Uint8Array, requestInfo?: RequestInfo) {
  const payload = { data, ...(requestInfo && { requestInfo }) }
  return { payload: create(ConformancePayloadSchema, payload) }
}

async function unary(
  context: HandlerContext,
  definition: UnaryResponseDefinition | undefined,
  requests: Any[],
) {
  begin(context, definition)
  const info = seen(context, requests)
  await sleep(definition?.responseDelayMs ?? 0)
  const { response } = definition ?? {}
  if (response?.case === 'error') throw failure(response.value, info)
  return reply(response?.value ?? new Uint8Array(), info)
}

/** The answers from `sent` on, and the error; `info` goes with the first answer or with the error. */
async function* stream(
  definition: StreamResponseDefinition | undefined,
  info: RequestInfo,
  sent = 0,
) {
  const { responseData = [], responseDelayMs = 0, error } = definition ?? {}
  for (const [index, data] of responseData.entries()) {
    if (index < sent) continue
    await sleep(responseDelayMs)
    yield reply(data, index === 0 ? info : undefined)
  }
  if (error) throw failure(error, responseData.length === 0 ? info : undefined)
}

export const service: Partial<ServiceImpl<typeof ConformanceService>> = {
  unary: (request, context) =>
    unary(context, request.responseDefinition, [packed(UnaryRequestSchema, request)]),

  idempotentUnary: (request, context) =>
    unary(context, request.responseDefinition, [packed(IdempotentUnaryRequestSchema, request)]),

  async clientStream(requests, context) {
    const all: Any[] = []
    let definition: UnaryResponseDefinition | undefined
    for await (const request of requests) {
      definition ??= request.responseDefinition
      all.push(packed(ClientStreamRequestSchema, request))
    }
    return unary(context, definition, all)
  },

  async *serverStream(request, context) {
    begin(context, request.responseDefinition)
    const info = seen(context, [packed(ServerStreamRequestSchema, request)])
    yield* stream(request.responseDefinition, info)
  },

  async *bidiStream(requests, context) {
    const all: Any[] = []
    let first: MessageShape<typeof BidiStreamRequestSchema> | undefined
    let sent = 0
    for await (const request of requests) {
      if (first === undefined) begin(context, request.responseDefinition)
      first ??= request
      const any = packed(BidiStreamRequestSchema, request)
      all.push(any)
      if (!first.fullDuplex) continue
      const { responseData = [], responseDelayMs = 0 } = first.responseDefinition ?? {}
      const data = responseData[sent]
      if (data === undefined) break
      await sleep(responseDelayMs)
      const later = create(ConformancePayload_RequestInfoSchema, { requests: [any] })
      yield reply(data, sent === 0 ? seen(context, [any]) : later)
      sent += 1
    }
    yield* stream(first?.responseDefinition, seen(context, all), sent)
  },
}
