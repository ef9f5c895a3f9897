import type { JsonObject, JsonValue, Message } from '@bufbuild/protobuf'
import { create, toJson } from '@bufbuild/protobuf'
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect'
import fastify, { type FastifyInstance } from 'fastify'
import type { RestPluginOptions } from '../../src/rest/options.ts'
import { fastifyRestPlugin } from '../../src/rest/plugin.ts'
import { restServerOptions } from '../../src/rest/server-options.ts'
import type { Compiled } from './schema.ts'

/** A handler of any method, for schemas that are made at run time. */
export type AnyHandler = (request: Message, context: HandlerContext) => unknown

export type Handlers = Record<string, AnyHandler>

/** The plugin on a Fastify instance, with handlers by local method name. */
export function serveSchema(
  { service }: Compiled,
  handlers: Handlers,
  options: Partial<RestPluginOptions> = {},
): FastifyInstance {
  const app = fastify(restServerOptions())
  void app.register(fastifyRestPlugin, {
    routes: (router: ConnectRouter) => router.service(service, handlers as never),
    ...options,
  })
  return app
}

/**
 * The plugin with handlers that note what they were given, so that a test can compare it as JSON.
 * They answer with an empty reply.
 */
export function serveRecorded(compiled: Compiled, options: Partial<RestPluginOptions> = {}) {
  const seen: JsonValue[] = []
  const handlers = Object.fromEntries(
    compiled.service.methods.map(({ localName, input, output }) => [
      localName,
      (request: Message) => {
        seen.push(toJson(input, request, options.types ? { registry: options.types } : {}))
        return create(output)
      },
    ]),
  )
  return { app: serveSchema(compiled, handlers, options), seen }
}

/** A rule of an error body. */
export function parameterError(metadata: JsonObject) {
  return { code: 400, reason: 'INVALID_PARAMETER', metadata }
}
