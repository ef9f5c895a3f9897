import { METHODS } from 'node:http'
import type { Message } from '@bufbuild/protobuf'
import type { ConnectError, ConnectRouter, ContextValues, Interceptor } from '@connectrpc/connect'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Binder, compileBinder } from './bind.ts'
import { checkContentType } from './body.ts'
import { restCall, type RestCall } from './context.ts'
import { jsonBytes, messageBytes } from './encode.ts'
import { errorBody, malformedUrl, methodNotAllowed, restError, routeNotFound } from './errors.ts'
import { unaryInvoker } from './invoke.ts'
import { matchRoute, type MatchResult } from './match.ts'
import { recordMethods } from './router.ts'
import { type HttpBinding, httpBindings } from './rules.ts'
import { compileTable, literalPrefixes, type RouteTable } from './table.ts'

/** Told about each request, for logs and metrics. */
export interface RestObserver {
  /** A request has found its method. */
  route(request: FastifyRequest, binding: HttpBinding): void
  /** A request is answered with an error, whoever raised it. */
  error(request: FastifyRequest, error: ConnectError, status: number, reason: string): void
}

export interface RestPluginOptions {
  /** Registers the services, as for connect-fastify's plugin. Methods without a rule are left out. */
  routes: (router: ConnectRouter) => unknown
  /** Standard Connect interceptors, the first outermost. */
  interceptors?: Interceptor[]
  /** Most bytes of a request body; 1 MiB unless given. */
  bodyLimit?: number
  /** Values for the handler context of a request. */
  contextValues?: (request: FastifyRequest) => ContextValues
  observer?: RestObserver
}

/** What serves one binding: everything that can be made ready before the first request. */
interface Target {
  binding: HttpBinding
  bind: Binder
  invoke: ReturnType<typeof unaryInvoker>
}

type RouteMatch = Extract<MatchResult<Target>, { kind: 'route' }>

const matches = new WeakMap<FastifyRequest, RouteMatch>()

/**
 * Serves Connect handlers as REST by the google.api.http rules of their methods. Matching runs on
 * the raw path, since Fastify's router decodes %2F and answers 404 to a wrong method; Fastify only
 * mounts it at the templates' first segments. Give Fastify `restServerOptions` too.
 */
export function fastifyRestPlugin(
  app: FastifyInstance,
  options: RestPluginOptions,
  done: (err?: Error) => void,
): void {
  try {
    mount(app, options)
    done()
  } catch (err) {
    // A plugin that throws is an uncaught exception of its host.
    done(err instanceof Error ? err : new Error(String(err)))
  }
}

function mount(app: FastifyInstance, options: RestPluginOptions): void {
  const table = compileRoutes(options)
  const { bodyLimit = 1024 * 1024 } = options
  // Fastify answers 404 to the methods that it does not know; here they are 405.
  for (const method of METHODS.filter((each) => !app.supportedMethods.includes(each)))
    if (method !== 'CONNECT') app.addHttpMethod(method)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, parsed) =>
    parsed(null, body),
  )
  app.setErrorHandler((err, request, reply) =>
    sendError(reply, request, restError(err, bodyLimit), options.observer),
  )
  for (const prefix of literalPrefixes(table)) {
    const urls = prefix === '/' ? ['/*'] : [prefix, `${prefix}/*`]
    for (const url of urls)
      app.route({
        method: [...app.supportedMethods],
        url,
        exposeHeadRoute: false,
        bodyLimit,
        // Before the body is read: what is refused by its path needs no body.
        onRequest: (request, reply, next) => {
          try {
            const match = matchRequest(table, request, reply)
            if (match === undefined) return void reply.code(204).send()
            options.observer?.route(request, match.target.binding)
            matches.set(request, match)
            next()
          } catch (err) {
            next(err as Error)
          }
        },
        handler: (request, reply) => serve(request, reply, options),
      })
  }
}

/** The routes that a plugin with these options serves, for printing and for tests. */
export function compileRoutes({
  routes,
  interceptors = [],
}: Pick<RestPluginOptions, 'routes' | 'interceptors'>): RouteTable<Target> {
  const all = recordMethods(routes).flatMap((spec) => {
    if (spec.kind !== 'unary') return []
    const invoke = unaryInvoker(spec, interceptors)
    return httpBindings(spec.method).map((binding) => ({
      httpMethod: binding.httpMethod,
      template: binding.template,
      label: `${spec.method.parent.typeName}.${spec.method.name}`,
      target: { binding, bind: compileBinder(binding), invoke },
    }))
  })
  return compileTable(all)
}

/** Finds the target; undefined where OPTIONS has only been answered. Throws what the path refuses. */
function matchRequest(table: RouteTable<Target>, request: FastifyRequest, reply: FastifyReply) {
  const [path] = splitUrl(request)
  const match = matchRoute(table, request.method, path)
  switch (match.kind) {
    case 'route':
      return match
    case 'malformed':
      throw malformedUrl()
    case 'none':
      throw routeNotFound(request.method, path)
    case 'method':
      if (request.method !== 'OPTIONS') throw methodNotAllowed(request.method, match.allow)
      void reply.header('allow', match.allow)
      return undefined
  }
}

function splitUrl(request: FastifyRequest): [path: string, query: string] {
  const url = request.raw.url ?? ''
  const mark = url.indexOf('?')
  return mark === -1 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)]
}

const noBytes = new Uint8Array()

async function serve(request: FastifyRequest, reply: FastifyReply, options: RestPluginOptions) {
  const match = matches.get(request)
  if (match === undefined) throw new Error('a request reached its handler unmatched')
  const { bind, invoke, binding } = match.target
  const body = request.body instanceof Uint8Array ? request.body : noBytes
  if (body.byteLength > 0) {
    const { 'content-type': type, 'content-encoding': encoding } = request.headers
    checkContentType(type, encoding)
  }
  const { message, sent } = bind({ values: match.values, query: splitUrl(request)[1], body })
  const call = restCall(binding.method, request, reply, options.contextValues?.(request))
  let output: Message
  try {
    output = await invoke(message, call)
  } catch (err) {
    sendError(reply, request, restError(err), options.observer, sent)
    return reply
  }
  copyHeaders(call, reply)
  return reply
    .header('content-type', 'application/json')
    .send(messageBytes(binding.method.output, output))
}

function copyHeaders({ answerHeaders }: RestCall, reply: FastifyReply): void {
  answerHeaders?.forEach((value, name) => void reply.header(name, value))
}

/** Answers with the one error body; the error's metadata become headers. */
export function sendError(
  reply: FastifyReply,
  request: FastifyRequest,
  error: ConnectError,
  observer: RestObserver | undefined,
  sent: (field: string) => string = (field) => field,
): void {
  const body = errorBody(error, sent)
  observer?.error(request, error, body.code, body.reason)
  error.metadata.forEach((value, name) => void reply.header(name, value))
  void reply.code(body.code).header('content-type', 'application/json').send(jsonBytes(body))
}
