import type { Registry } from '@bufbuild/protobuf'
import { type ConnectRouter, createContextValues, type Interceptor } from '@connectrpc/connect'
import fastify, { type FastifyInstance } from 'fastify'
import { restError } from '../rest/errors.ts'
import type { Admission } from './admission/admission.ts'
import { sendError } from '../rest/answer/answer.ts'
import { fastifyRestPlugin } from '../rest/plugin.ts'
import { restServerOptions } from '../rest/server-options.ts'
import { cors } from './origin/cors.ts'
import { type ExchangeObserver, exchangeKey, exchangeRegistry } from './exchange/exchange.ts'
import { refuseForeignForms } from './origin/foreign-forms.ts'
import { admissionGate } from './admission/gate.ts'
import { healthRoutes } from './health/probes.ts'
import { dualProtocolListener, type ListenerLimits } from './listener/listener.ts'
import type { Readiness } from './health/readiness.ts'
import type { Tls } from './listener/tls.ts'
import { refuseByHead } from './request-head.ts'
import { overflowRest, overloaded } from './admission/refusals.ts'

export interface ServerOptions {
  routes: (router: ConnectRouter) => unknown
  interceptors: Interceptor[]
  observers: readonly ExchangeObserver[]
  limits: ListenerLimits & { maxBodyBytes: number }
  /** Of the process, so of both ports together. */
  admission: Admission
  tls: Tls | undefined
  /** Messages that google.protobuf.Any may hold in JSON. */
  types?: Registry
  /** Origins that browsers may call from. */
  origins: readonly string[]
}

/** The REST port: the services by their google.api.http rules, every refusal in Kratos' body. */
export function httpServer(options: ServerOptions, readiness: Readiness) {
  const { routes, interceptors, observers, limits, admission, tls, origins, types } = options
  const exchanges = exchangeRegistry('rest', observers)
  const observer = restObserver(exchanges)
  const allowOrigin = cors(origins)
  const app: FastifyInstance = fastify({
    ...restServerOptions(observer),
    bodyLimit: limits.maxBodyBytes,
    // A request on a connection that is being closed is answered as any other.
    return503OnClosing: false,
    serverFactory: (handler) =>
      dualProtocolListener(
        (req, res, arrivedAt) => {
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
            protocolOf: () => 'rest',
            timeoutHeaders: ['x-server-timeout', 'connect-timeout-ms', 'grpc-timeout'],
            answerOf: (_arrival, { rest }) => rest,
          }),
          holdBack: admission.holdBack,
          streamsEach: admission.streamsEach,
          tls,
          overflow: overflowRest,
          overflowed: (socket) => exchanges.refused(socket, overloaded.failure),
          broken: (session) => exchanges.broken(session),
        },
      ) as never,
  })
  app.addHook('onRequest', refuseByHead)
  app.addHook('onRequest', refuseForeignForms(origins))
  app.setErrorHandler((err, request, reply) => sendError(reply, request, restError(err), observer))
  healthRoutes(app, readiness)
  void app.register(fastifyRestPlugin, {
    routes,
    interceptors,
    bodyLimit: limits.maxBodyBytes,
    ...(types && { types }),
    contextValues: ({ raw }) => createContextValues().set(exchangeKey, exchanges.of(raw)),
    observer,
  })
  return app
}

function restObserver(exchanges: ReturnType<typeof exchangeRegistry>) {
  return {
    route({ raw }, { method, template }) {
      const exchange = exchanges.of(raw)
      if (!exchange) return
      exchange.operation = `/${method.parent.typeName}/${method.name}`
      exchange.route = template.source
    },
    error({ raw }, error, status, reason) {
      const exchange = exchanges.of(raw)
      // The interceptors have told the calls that reached them.
      if (exchange) exchange.failure ??= { status, reason, code: error.code, cause: error.cause }
    },
    refused(socket, error, status, reason) {
      exchanges.refused(socket, { status, reason, cause: error.cause })
    },
  } satisfies Parameters<typeof restServerOptions>[0]
}
