import { createContextValues } from '@connectrpc/connect'
import { sendError } from '../rest/answer/answer.ts'
import { restError } from '../rest/errors.ts'
import { fastifyRestPlugin } from '../rest/plugin.ts'
import { operationOf } from '../call/methods.ts'
import { restServerOptions } from '../rest/server-options.ts'
import { streamOpener } from './admission/open-stream.ts'
import { overflowRest } from './admission/refusals.ts'
import { type DocsOptions, docsRoutes, docsSegments } from './docs/docs-routes.ts'
import { exchangeKey, type Exchanges } from './exchange/exchange.ts'
import { failureOf } from './exchange/failure.ts'
import { healthRoutes, healthSegments } from './health/probes.ts'
import type { Readiness } from './health/readiness.ts'
import { refuseForeignForms } from './origin/foreign-forms.ts'
import { hintOfRest } from './other-port.ts'
import { type Port, port, type PortParts, type ServerOptions } from './port.ts'

/** Makes the REST port: the services by their google.api.http rules, and each refusal in Kratos' body. */
export function httpServer(options: ServerOptions, readiness: Readiness, docs?: DocsOptions): Port {
  const { routes, interceptors, limits, streams, origins, types } = options
  const parts: PortParts = {
    protocolOf: () => 'rest',
    timeoutHeaders: ['x-server-timeout', 'connect-timeout-ms', 'grpc-timeout'],
    answerOf: (_arrival, { rest }) => rest,
    overflow: overflowRest,
    elsewhere: hintOfRest,
    fastify: (exchanges) => ({
      ...restServerOptions(restObserver(exchanges)),
      bodyLimit: limits.maxBodyBytes,
    }),
  }
  const server = port('rest', parts, options)
  const { app, exchanges } = server
  const observer = restObserver(exchanges)
  const openStream = streamOpener(streams.places, exchanges, { timesBody: true })
  app.addHook('onRequest', refuseForeignForms(origins))
  app.setErrorHandler((err, request, reply) =>
    sendError(request, reply, restError(err), { observer }),
  )
  healthRoutes(app, readiness)
  if (docs) docsRoutes(app, docs)
  void app.register(fastifyRestPlugin, {
    routes,
    interceptors,
    bodyLimit: limits.maxBodyBytes,
    uploadLimit: streams.maxUploadBytes,
    uploadIdleMs: limits.requestTimeoutMs,
    heartbeatMs: streams.heartbeatMs,
    earlyMs: streams.earlyMs,
    openStream: ({ raw }, reply) => openStream(raw, reply.raw),
    reserved: new Map([...healthSegments, ...docsSegments(docs)]),
    ...(types && { types }),
    contextValues: ({ raw }) => createContextValues().set(exchangeKey, exchanges.of(raw)),
    observer,
  })
  return server
}

/** Writes the plugin's events into the exchanges of the port. */
function restObserver(exchanges: Exchanges) {
  return {
    route({ raw }, { method, template }) {
      const exchange = exchanges.of(raw)
      if (!exchange) return
      exchange.operation = operationOf(method)
      exchange.route = template.source
    },
    error({ raw }, error, status, reason) {
      const exchange = exchanges.of(raw)
      // A call that reached the interceptors has its failure from them.
      if (exchange) exchange.failure ??= { status, reason, code: error.code, cause: error.cause }
    },
    brokenOff: ({ raw }, error) => exchanges.brokenOff(raw, failureOf(error)),
    refused(socket, error, status, reason) {
      exchanges.refused(socket, { status, reason, cause: error.cause })
    },
  } satisfies Parameters<typeof restServerOptions>[0]
}
