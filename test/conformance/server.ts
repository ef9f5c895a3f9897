// The server under test of the Connect conformance suite: our RPC port with the suite's service.
// It reads one ServerCompatRequest on standard input and answers on standard output.
import { createRegistry } from "@bufbuild/protobuf"
import { setTimeout as sleep } from 'node:timers/promises'
import type { AddressInfo } from 'node:net'
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type MessageShape,
} from '@bufbuild/protobuf'
import { anyPack, type Any } from '@bufbuild/protobuf/wkt'
import { ConnectError, type Code, type HandlerContext, type ServiceImpl } from '@connectrpc/connect'
import { admission } from '../../src/server/admission.ts'
import { grpcServer } from '../../src/server/grpc.ts'
import { errors } from '../../src/server/interceptor/errors.ts'
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from './gen/connectrpc/conformance/v1/server_compat_pb.ts'
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  ConformancePayload_RequestInfoSchema,
  ConformanceService,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
  file_connectrpc_conformance_v1_service,
  type ConformancePayload,
  type Error as ErrorDefinition,
  type Header,
  type StreamResponseDefinition,
  type UnaryResponseDefinition,
} from './gen/connectrpc/conformance/v1/service_pb.ts'

type Definition = UnaryResponseDefinition | StreamResponseDefinition
type Payload = { payload: Partial<ConformancePayload> }
type RequestInfo = MessageShape<typeof ConformancePayload_RequestInfoSchema>

function pack<Desc extends DescMessage>(desc: Desc, message: MessageShape<Desc>): Any {
  return anyPack(desc, message)
}

function toProto(headers: Headers | URLSearchParams): { name: string; value: string[] }[] {
  return [...headers].map(([name, value]) => ({
    name,
    value: value.split(',').map((v) => v.trim()),
  }))
}

function setHeaders(target: Headers, headers: Header[]): void {
  for (const { name, value } of headers) for (const each of value) target.append(name, each)
}

function requestInfo(context: HandlerContext, requests: Any[]): RequestInfo {
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

function raise(definition: ErrorDefinition, info: RequestInfo | undefined): never {
  const err = new ConnectError(definition.message ?? '', definition.code as number as Code)
  err.details = definition.details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1),
    value,
  }))
  if (info) err.details.push({ desc: ConformancePayload_RequestInfoSchema, value: info })
  throw err
}

function begin(context: HandlerContext, definition: Definition | undefined): void {
  setHeaders(context.responseHeader, definition?.responseHeaders ?? [])
  setHeaders(context.responseTrailer, definition?.responseTrailers ?? [])
}

async function unary(
  context: HandlerContext,
  definition: UnaryResponseDefinition | undefined,
  requests: Any[],
): Promise<Payload> {
  begin(context, definition)
  const info = requestInfo(context, requests)
  await sleep(definition?.responseDelayMs ?? 0)
  if (definition?.response.case === 'error') raise(definition.response.value, info)
  const data =
    definition?.response.case === 'responseData' ? definition.response.value : new Uint8Array()
  return { payload: { data, requestInfo: info } }
}

const service: ServiceImpl<typeof ConformanceService> = {
  unary: (request, context) =>
    unary(context, request.responseDefinition, [pack(UnaryRequestSchema, request)]),

  idempotentUnary: (request, context) =>
    unary(context, request.responseDefinition, [pack(IdempotentUnaryRequestSchema, request)]),

  async clientStream(requests, context) {
    const packed: Any[] = []
    let definition: UnaryResponseDefinition | undefined
    for await (const request of requests) {
      definition ??= request.responseDefinition
      packed.push(pack(ClientStreamRequestSchema, request))
    }
    return unary(context, definition, packed)
  },

  async *serverStream(request, context) {
    const { responseDefinition: definition } = request
    begin(context, definition)
    const info = requestInfo(context, [pack(ServerStreamRequestSchema, request)])
    for (const [index, data] of (definition?.responseData ?? []).entries()) {
      await sleep(definition?.responseDelayMs ?? 0)
      yield { payload: { data, ...(index === 0 && { requestInfo: info }) } }
    }
    const sent = definition?.responseData.length ?? 0
    if (definition?.error) raise(definition.error, sent === 0 ? info : undefined)
  },

  async *bidiStream(requests, context) {
    const packed: Any[] = []
    let definition: StreamResponseDefinition | undefined
    let fullDuplex = false
    let sent = 0
    for await (const request of requests) {
      if (packed.length === 0) {
        definition = request.responseDefinition
        fullDuplex = request.fullDuplex
        begin(context, definition)
      }
      const any = pack(BidiStreamRequestSchema, request)
      packed.push(any)
      const data = definition?.responseData[sent]
      if (!fullDuplex) continue
      if (data === undefined) break
      await sleep(definition?.responseDelayMs ?? 0)
      const info =
        sent === 0
          ? requestInfo(context, [any])
          : create(ConformancePayload_RequestInfoSchema, { requests: [any] })
      yield { payload: { data, requestInfo: info } }
      sent += 1
    }
    for (const data of definition?.responseData.slice(sent) ?? []) {
      await sleep(definition?.responseDelayMs ?? 0)
      yield { payload: { data, ...(sent === 0 && { requestInfo: requestInfo(context, packed) }) } }
      sent += 1
    }
    if (definition?.error)
      raise(definition.error, sent === 0 ? requestInfo(context, packed) : undefined)
  },
}

async function readRequest() {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer)
    const bytes = Buffer.concat(chunks)
    if (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0))
      return fromBinary(ServerCompatRequestSchema, bytes.subarray(4, 4 + bytes.readUInt32BE(0)))
  }
  throw new Error('no request came')
}

const { messageReceiveLimit } = await readRequest()
const app = grpcServer({
  routes: (router) => router.service(ConformanceService, service),
  interceptors: [errors],
  observers: [],
  admission: admission({ atOnce: 10_000, most: 10_000 }),
  tls: undefined,
  types: createRegistry(file_connectrpc_conformance_v1_service),
  origins: [],
  limits: {
    maxBodyBytes: messageReceiveLimit || 1024 * 1024 * 64,
    maxHeaderBytes: 64 * 1024,
    headersTimeoutMs: 10_000,
    requestTimeoutMs: 60_000,
    keepAliveTimeoutMs: 60_000,
    maxConcurrentStreams: 1000,
    maxConnections: 10_000,
  },
})
await app.listen({ host: '127.0.0.1', port: 0 })
const { port } = app.server.address() as AddressInfo
const response = toBinary(
  ServerCompatResponseSchema,
  create(ServerCompatResponseSchema, { host: '127.0.0.1', port }),
)
const length = Buffer.alloc(4)
length.writeUInt32BE(response.byteLength)
process.stdout.write(Buffer.concat([length, response]))
process.on('SIGTERM', () => process.exit(0))
