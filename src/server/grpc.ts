import type { IncomingHttpHeaders } from 'node:http'
import { type ConnectError, createContextValues } from '@connectrpc/connect'
import { errorToJsonBytes } from '@connectrpc/connect/protocol-connect'
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { bounded } from '../call/error-bounds.ts'
import { restError, unsupportedMediaType } from '../rest/errors.ts'
import { statusOf } from '../call/status.ts'
import { recordMethods } from '../call/methods.ts'
import { originForm } from '../call/request-target.ts'
import { writeRefusal, clientError } from '../call/client-error.ts'
import { failureOf } from './exchange/failure.ts'
import { connectRoutes } from './rpc/connect-routes.ts'
import { cors } from './origin/cors.ts'
import { exchangeKey, exchangeRegistry } from './exchange/exchange.ts'
import { admissionGate } from './admission/gate.ts'
import type { ServerOptions } from './http.ts'
import { dualProtocolListener } from './listener/listener.ts'
import { refuseByHead } from './request-head.ts'
import { acceptPost, observedHandler, requestGate } from './rpc/connect-handler.ts'
import { protocolOf } from './exchange/protocol.ts'
import { unaryCalls } from './rpc/unary-calls.ts'
import { overflowRpc, overloaded } from './admission/refusals.ts'

/** The RPC port: the same services as Connect, gRPC and gRPC-Web, over HTTP/1.1 and h2c. */
export function grpcServer(options: ServerOptions) {
  const { routes, interceptors, observers, limits, admission, tls, origins, types } = options
  const exchanges = exchangeRegistry('connect', observers)
  const allowOrigin = cors(origins)

  function refuse(request: FastifyRequest, reply: FastifyReply, given: ConnectError): void {
    const error = bounded(given)
    const facts = failureOf(error)
    const exchange = exchanges.of(request.raw)
    const protocol = protocolOf(request.headers['content-type'] ?? '')
    // Fastify closes the connection after a body that is too large, which HTTP/2 has no header for.
    if (request.raw.httpVersionMajor > 1) void reply.removeHeader('connection')
    if (exchange) {
      exchange.protocol = protocol
      exchange.failure ??= facts
    }
    if (protocol === 'connect') sendConnectError(reply, error, facts.status)
    else sendGrpcError(reply, request, error)
  }

  const app: FastifyInstance = fastify({
    return503OnClosing: false,
    rewriteUrl: ({ url = '/' }) => originForm(url),
    serverFactory: (handler) =>
      dualProtocolListener(
        (req, res, arrivedAt) => {
          asJson(req.headers)
          const exchange = exchanges.open(req, res, arrivedAt)
          if (allowOrigin.answers(req, res)) return
          exchanges.within(exchange, () => handler(req as never, res as never))
        },
        limits,
        {
          gate: admissionGate({
            admission,
            allowOrigin,
            exchanges,
            protocolOf: ({ contentType }) => protocolOf(contentType),
            timeoutHeaders: ['connect-timeout-ms', 'grpc-timeout'],
            answerOf: ({ contentType }, { rpc }) => rpc(contentType),
          }),
          holdBack: admission.holdBack,
          streamsEach: admission.streamsEach,
          tls,
          overflow: overflowRpc,
          overflowed: (socket) => exchanges.refused(socket, overloaded.failure),
          broken: (session) => exchanges.broken(session),
        },
      ) as never,
    frameworkErrors: (err, request, reply) => refuse(request, reply, restError(err)),
    clientErrorHandler: (err, socket) => {
      const error = clientError(err.code)
      if (error === undefined || !socket.writable) return void socket.destroy()
      exchanges.refused(socket, failureOf(error))
      writeRefusal(socket, statusOf(error), Buffer.from(errorToJsonBytes(error, undefined)))
    },
  })
  app.addHook('onRequest', refuseByHead)
  app.setErrorHandler((err, request, reply) => refuse(request, reply, rpcError(err, request)))
  app.addHook(
    'preHandler',
    unaryCalls({
      routes,
      interceptors,
      maxBodyBytes: limits.maxBodyBytes,
      types,
      exchangeOf: exchanges.of,
      brokenOff: (request, failure) => exchanges.brokenOff(request, failure),
    }),
  )
  void app.register(connectRoutes, {
    methods: recordMethods(routes),
    wrap: (handler) => observedHandler(handler, limits.maxBodyBytes),
    failed({ raw }, error) {
      const exchange = exchanges.of(raw)
      if (exchange) exchange.failure = failureOf(error)
    },
    brokenOff: ({ raw }, error) => exchanges.brokenOff(raw, failureOf(error)),
    interceptors,
    requestGate,
    readMaxBytes: limits.maxBodyBytes,
    ...(types && { jsonOptions: { registry: types } }),
    contextValues: ({ raw }) => createContextValues().set(exchangeKey, exchanges.of(raw)),
  })
  return app
}

/**
 * `curl -d '{}'` calls its body a form, and a form is nothing that this port could mean: it is read as
 * JSON. Not from a browser: any page may send a form without asking first by a preflight, and the body
 * of what calls itself a form may well be JSON. Browsers give Origin with every POST to elsewhere.
 */
function asJson(headers: IncomingHttpHeaders): void {
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) return
  if (/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(headers['content-type'] ?? ''))
    headers['content-type'] = 'application/json'
}

/** Fastify knows the content types of the protocols only, and refuses the others before Connect. */
function rpcError(err: unknown, request: FastifyRequest): ConnectError {
  const error = restError(err)
  return statusOf(error) === 415
    ? unsupportedMediaType(request.headers['content-type'] ?? '', acceptPost)
    : error
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
  setTrailerStatus(status, error)
  void reply.hijack()
  const { raw } = reply
  const headers = { ...reply.getHeaders(), ...Object.fromEntries(status) }
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) raw.setHeader(name, value)
  raw.setHeader('content-type', request.headers['content-type'] ?? '')
  // Fastify would send an empty body, after which gRPC expects trailers.
  raw.end()
}
