import { type ConnectRouter, createContextValues, type Interceptor } from '@connectrpc/connect'
import fastify, { type FastifyInstance } from 'fastify'
import { restError, routeNotFound } from '../rest/errors.ts'
import { fastifyRestPlugin, sendError } from '../rest/plugin.ts'
import { restServerOptions } from '../rest/server-options.ts'
import { type ExchangeObserver, exchangeKey, exchangeRegistry } from './exchange.ts'
import { dualProtocolListener, type ListenerLimits } from './listener.ts'

export interface ServerOptions {
  routes: (router: ConnectRouter) => unknown
  interceptors: Interceptor[]
  observers: readonly ExchangeObserver[]
  limits: ListenerLimits & { maxBodyBytes: number }
}

/** The REST port: the services by their google.api.http rules, every refusal in Kratos' body. */
export function httpServer({ routes, interceptors, observers, limits }: ServerOptions) {
  const exchanges = exchangeRegistry('rest', observers)
  const observer = restObserver(exchanges)
  const app: FastifyInstance = fastify({
    ...restServerOptions(observer),
    bodyLimit: limits.maxBodyBytes,
    serverFactory: (handler) =>
      dualProtocolListener((req, res) => {
        exchanges.open(req, res)
        handler(req as never, res as never)
      }, limits) as never,
  })
  app.setNotFoundHandler((request, reply) => {
    const [path = ''] = request.url.split('?', 1)
    return sendError(reply, request, routeNotFound(request.method, path), observer)
  })
  app.setErrorHandler((err, request, reply) => sendError(reply, request, restError(err), observer))
  void app.register(fastifyRestPlugin, {
    routes,
    interceptors,
    bodyLimit: limits.maxBodyBytes,
    contextValues: ({ raw }) => createContextValues().set(exchangeKey, exchanges.of(raw)),
    observer,
  })
  return app
}

function restObserver(exchanges: ReturnType<typeof exchangeRegistry>) {
  return {
    route({ raw }, { method }) {
      const exchange = exchanges.of(raw)
      if (exchange) exchange.operation = `/${method.parent.typeName}/${method.name}`
    },
    error({ raw }, error, status, reason) {
      const exchange = exchanges.of(raw)
      // The interceptors have told the calls that reached them.
      if (exchange) exchange.failure ??= { status, reason, cause: error.cause }
    },
    refused(error, status, reason) {
      exchanges.refused({ status, reason, cause: error.cause })
    },
  } satisfies Parameters<typeof restServerOptions>[0]
}
