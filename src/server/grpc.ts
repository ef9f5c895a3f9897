import type { DescMethod } from '@bufbuild/protobuf'
import { type ConnectError, createContextValues } from '@connectrpc/connect'
import { errorToJsonBytes } from '@connectrpc/connect/protocol-connect'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clientError, writeRefusal } from '../call/client-error.ts'
import { bounded } from '../call/error-bounds.ts'
import { operationOf, recordMethods } from '../call/methods.ts'
import { originForm } from '../text/request-target.ts'
import { setGrpcStatus } from '../call/grpc-status.ts'
import { statusOf } from '../call/status.ts'
import { restError, unsupportedMediaType } from '../rest/errors.ts'
import { streamOpener } from './admission/open-stream.ts'
import { overflowRpc } from './admission/refusals.ts'
import { exchangeKey, type Exchanges } from './exchange/exchange.ts'
import { failureOf } from './exchange/failure.ts'
import { protocolOf } from './exchange/protocol.ts'
import { hintOfRpc } from './other-port.ts'
import { type Port, port, type PortParts, type ServerOptions } from './port.ts'
import { bodyTypes } from './rpc/body-types.ts'
import { observedHandlers, requestGate } from './rpc/connect-handler.ts'
import { connectRoutes } from './rpc/connect-routes.ts'
import { adaptContentType } from './rpc/content-type.ts'
import { unaryCalls } from './rpc/unary-calls.ts'

/** The RPC port: the same services as Connect, gRPC and gRPC-Web, over HTTP/1.1 and HTTP/2. */
export function grpcServer(options: ServerOptions): Port {
  const { routes, interceptors, limits, types } = options
  const { maxBodyBytes } = limits
  const server = port('connect', parts, options)
  const { app, exchanges } = server
  const openStream = streamOpener(options.streams.places, exchanges, { timesBody: false })
  const methods = recordMethods(routes)
  const byPath = new Map(methods.map(({ method }) => [operationOf(method), method]))
  app.setErrorHandler((err, request, reply) => {
    const method = byPath.get(exchanges.of(request.raw)?.path ?? '')
    const type = request.headers['content-type'] ?? ''
    refuse(exchanges, request, reply, rpcError(err, type, method))
  })
  app.addHook(
    'preHandler',
    unaryCalls({
      routes,
      interceptors,
      maxBodyBytes,
      types,
      exchangeOf: exchanges.of,
      brokenOff: (request, failure) => exchanges.brokenOff(request, failure),
    }),
  )
  void app.register(connectRoutes, {
    methods,
    wrap: observedHandlers(maxBodyBytes, types),
    failed({ raw }, error) {
      const exchange = exchanges.of(raw)
      if (exchange) exchange.failure = failureOf(error)
    },
    openStream({ raw, headers }, reply, method) {
      const exchange = exchanges.of(raw)
      if (exchange) {
        exchange.operation = operationOf(method)
        exchange.protocol = protocolOf(headers['content-type'] ?? '')
      }
      openStream(raw, reply.raw)
    },
    brokenOff: ({ raw }, error) => exchanges.brokenOff(raw, failureOf(error)),
    interceptors,
    requestGate,
    readMaxBytes: maxBodyBytes,
    ...(types && { jsonOptions: { registry: types } }),
    contextValues: ({ raw }) => createContextValues().set(exchangeKey, exchanges.of(raw)),
  })
  return server
}

const parts: PortParts = {
  protocolOf: ({ contentType }) => protocolOf(contentType),
  timeoutHeaders: ['connect-timeout-ms', 'grpc-timeout'],
  answerOf: ({ contentType }, { rpc }) => rpc(contentType),
  overflow: overflowRpc,
  elsewhere: hintOfRpc,
  adapt: adaptContentType,
  fastify: (exchanges) => ({
    rewriteUrl: ({ url = '/' }) => originForm(url),
    frameworkErrors: (err, request, reply) => refuse(exchanges, request, reply, restError(err)),
    clientErrorHandler(err, socket) {
      const error = clientError(err.code)
      if (error === undefined || !socket.writable) return void socket.destroy()
      exchanges.refused(socket, failureOf(error))
      writeRefusal(socket, statusOf(error), Buffer.from(errorToJsonBytes(error, undefined)))
    },
  }),
}

/** Answers a request with an error in its protocol, and writes the failure into its exchange. */
function refuse(
  exchanges: Exchanges,
  request: FastifyRequest,
  reply: FastifyReply,
  given: ConnectError,
): void {
  const error = bounded(given)
  const facts = failureOf(error)
  const exchange = exchanges.of(request.raw)
  const protocol = protocolOf(request.headers['content-type'] ?? '')
  // Fastify closes the connection after a body that is too large, which HTTP/2 has no header for.
  if (request.raw.httpVersionMajor > 1) void reply.removeHeader('connection')
  if (exchange) {
    exchange.protocol = protocol
    exchange.failure ??= facts
    // Only the route of a method looks at the type of a body.
    if (facts.reason === 'UNSUPPORTED_MEDIA_TYPE') exchange.operation ||= exchange.path
  }
  if (protocol === 'connect') sendConnectError(reply, error, facts.status)
  else sendGrpcError(reply, request, error)
}

/** Fastify refuses content types of no protocol before Connect does, without naming those allowed. */
function rpcError(err: unknown, type: string, method: DescMethod | undefined): ConnectError {
  const error = restError(err)
  return statusOf(error) === 415 ? unsupportedMediaType(type, bodyTypes(method)) : error
}

function sendConnectError(reply: FastifyReply, error: ConnectError, status: number): void {
  error.metadata.forEach((value, name) => void reply.header(name, value))
  void reply
    .code(status)
    .header('content-type', 'application/json')
    .send(Buffer.from(errorToJsonBytes(error, undefined)))
}

/** An answer of headers only, which gRPC calls Trailers-Only and gRPC-Web takes too. */
function sendGrpcError(reply: FastifyReply, request: FastifyRequest, error: ConnectError): void {
  const status = new Headers()
  setGrpcStatus(status, error)
  void reply.hijack()
  const { raw } = reply
  const headers = { ...reply.getHeaders(), ...Object.fromEntries(status) }
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) raw.setHeader(name, value)
  // Fastify has set another one where it refuses a type by itself.
  raw.statusCode = 200
  const [type = ''] = (request.headers['content-type'] ?? '').split(/[;,]/, 1)
  raw.setHeader('content-type', type)
  // Fastify would send an empty body, after which gRPC expects trailers.
  raw.end()
}
