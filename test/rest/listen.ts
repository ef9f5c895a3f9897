import fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { sendError } from '../../src/rest/answer/answer.ts'
import { restError, routeNotFound } from '../../src/rest/errors.ts'
import type { RestPluginOptions } from '../../src/rest/options.ts'
import { fastifyRestPlugin } from '../../src/rest/plugin.ts'
import { restServerOptions } from '../../src/rest/server-options.ts'
import { dualProtocolListener } from '../../src/server/listener/listener.ts'
import { h2Client } from '../e2e/h2.ts'
import { exchange, type RawAnswer, type RawRequest } from '../e2e/raw.ts'

export const protocols = ['HTTP/1.1', 'h2c'] as const
export type Protocol = (typeof protocols)[number]

/** Sends a request as it stands and gives its answer. */
export type Ask = (request: RawRequest) => Promise<RawAnswer>

export type RestService = Awaited<ReturnType<typeof serveRest>>

export const limits = {
  maxHeaderBytes: 256 * 1024,
  // Generous, for machines that have other work.
  headersTimeoutMs: 60_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 60_000,
  maxConcurrentStreams: 100,
  maxConnections: 1000,
}

/**
 * The plugin alone on a free port that speaks HTTP/1.1 and HTTP/2, as the RPC port does; closed when
 * the test ends. Rejects where the plugin refuses its routes.
 */
export async function serveRest(t: Test, options: RestPluginOptions) {
  const app = fastify({
    ...restServerOptions(),
    serverFactory: (handler) =>
      dualProtocolListener((req, res) => handler(req as never, res as never), limits) as never,
  })
  t.teardown(() => app.close())
  // What lies beside the plugin's paths is its host's to refuse.
  app.setNotFoundHandler(({ method, url }) => {
    throw routeNotFound(method, url)
  })
  app.setErrorHandler((err, request, reply) =>
    sendError(request, reply, restError(err), { observer: undefined }),
  )
  void app.register(fastifyRestPlugin, options)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const h2 = h2Client(t, url)
  const ask: Record<Protocol, Ask> = {
    'HTTP/1.1': (request) => exchange(port, request),
    h2c: ({ method = 'GET', target, headers, body }) =>
      h2({ ':method': method, ':path': target, ...lowerCase(headers) }, body),
  }
  return { app, port, url, ask }
}

function lowerCase(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  )
}
