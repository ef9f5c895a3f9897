import type { IncomingHttpHeaders } from 'node:http'
import { Code, type ConnectError, createContextValues } from '@connectrpc/connect'
import { fastifyConnectPlugin } from '@connectrpc/connect-fastify'
import { codeToHttpStatus, errorToJsonBytes } from '@connectrpc/connect/protocol-connect'
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { restError, statusOf, unsupportedMediaType } from '../rest/errors.ts'
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts'
import { clientError, writeRefusal } from '../rest/server-options.ts'
import { allowOrigins } from './cors.ts'
import { clientGone, exchangeKey, exchangeRegistry, type Failure } from './exchange.ts'
import type { ServerOptions } from './http.ts'
import { dualProtocolListener } from './listener.ts'
import { overflowRpc, overloaded, overloadedRpc } from './overload.ts'
import { refuseUnknownRoutes } from './unknown-route.ts'
import { acceptPost, observedHandler, protocolOf, requestGate } from './rpc-handler.ts'

/** The RPC port: the same services as Connect, gRPC and gRPC-Web, over HTTP/1.1 and h2c. */
export function grpcServer(options: ServerOptions) {
  const { routes, interceptors, observers, limits, admission, tls, origins, types } = options
  const exchanges = exchangeRegistry('connect', observers)

  function refuse(request: FastifyRequest, reply: FastifyReply, error: ConnectError): void {
    const { status, reason } = refusalFacts(error)
    const exchange = exchanges.of(request.raw)
    const protocol = protocolOf(request.headers['content-type'] ?? '')
    if (exchange) {
      exchange.protocol = protocol
      exchange.failure ??= { status, reason, cause: error.cause }
    }
    if (protocol === 'connect') sendConnectError(reply, error, status)
    else sendGrpcError(reply, request, error)
  }

  const app: FastifyInstance = fastify({
    return503OnClosing: false,
    serverFactory: (handler) =>
      dualProtocolListener(
        (req, res, arrivedAt) => {
          asJson(req.headers)
          exchanges.open(req, res, arrivedAt)
          handler(req as never, res as never)
        },
        limits,
        {
          gate(arrival) {
            const never = (failure: Failure) =>
              exchanges.turnedAway(protocolOf(arrival.contentType), arrival, failure)
            admission.arrive(arrival, {
              refused() {
                never(overloaded)
                arrival.refuse(overloadedRpc(arrival.contentType))
              },
              clientGone: () => never(clientGone),
            })
          },
          tls,
          overflow: overflowRpc,
          overflowed: (socket) => exchanges.refused(socket, overloaded),
        },
      ) as never,
    frameworkErrors: (err, request, reply) => refuse(request, reply, restError(err)),
    clientErrorHandler: (err, socket) => {
      const error = clientError(err.code)
      if (error === undefined || !socket.writable) return void socket.destroy()
      exchanges.refused(socket, refusalFacts(error))
      writeRefusal(socket, error.httpStatus, Buffer.from(errorToJsonBytes(error, undefined)))
    },
  })
  allowOrigins(app, origins, { preflightContinue: false })
  app.after(() => app.addHook('onRequest', refuseUnknownRoutes))
  app.setErrorHandler((err, request, reply) => refuse(request, reply, rpcError(err, request)))
  void app.register(fastifyConnectPlugin, {
    routes(router) {
      routes(router)
      for (const [index, handler] of router.handlers.entries())
        router.handlers[index] = observedHandler(handler, limits.maxBodyBytes)
    },
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
 * JSON. A page's form cannot get in by this, because what a form sends is no JSON.
 */
function asJson(headers: IncomingHttpHeaders): void {
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

function refusalFacts(error: ConnectError) {
  const status = 'httpStatus' in error ? statusOf(error) : codeToHttpStatus(error.code)
  const reason = error.findDetails(ErrorInfoSchema)[0]?.reason ?? Code[error.code]
  return { status, reason, cause: error.cause }
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
