import { METHODS } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { accepted } from './answer/accepted.ts'
import { sendAnswer, sendError } from './answer/answer.ts'
import { LazyCall } from '../call/context.ts'
import {
  asPreconditionFailed,
  malformedUrl,
  methodNotAllowed,
  restError,
  routeNotFound,
} from './errors.ts'
import { applyPreconditions } from './request/preconditions.ts'
import { matchRoute, type MatchResult } from './route/match.ts'
import { type RestPluginOptions, type RestSettings, withDefaults } from './options.ts'
import {
  isBodyIgnored,
  mayHaveBody,
  noBody,
  receivedBody,
  type ReceivedBody,
  refuseByForm,
  wholeBody,
} from './request/read-body.ts'
import { splitUrl } from './request/split-url.ts'
import { refuseLateBody } from './request/late-body.ts'
import { rejectReserved } from './route/reserved.ts'
import { literalPrefixes, type RouteTable } from './route/table.ts'
import {
  compileTargets,
  type Target,
  type UnaryTarget,
  unservedBindings,
} from './compiled-route.ts'
import { advice, notServed } from './route/advice.ts'
import { clientTimeoutMs } from '../call/timeout.ts'
import { withinDeadline } from '../call/within-deadline.ts'
import { attachment } from '../memory/attachment.ts'

type RouteMatch = Extract<MatchResult<UnaryTarget>, { kind: 'route' }>

const matchOf = attachment<FastifyRequest, RouteMatch>('match')

/**
 * Serves Connect handlers as REST by the google.api.http rules of their methods. The raw path is
 * matched, since Fastify's router decodes %2F and answers 404 to a wrong HTTP method; Fastify only
 * mounts the plugin at the first segments of the templates. The Fastify instance needs the options
 * of restServerOptions. Calls `done` with an error for a rule that cannot work.
 */
export function fastifyRestPlugin(
  app: FastifyInstance,
  options: RestPluginOptions,
  done: (err?: Error) => void,
): void {
  try {
    mount(app, withDefaults(options))
    done()
  } catch (err) {
    // Fastify does not catch what a plugin with a `done` callback throws.
    done(err instanceof Error ? err : new Error(String(err)))
  }
}

function mount(app: FastifyInstance, settings: RestSettings): void {
  const { bodyLimit, observer, mergeSlashes } = settings
  const table = compileTargets(settings)
  if (settings.reserved) rejectReserved(table, settings.reserved)
  for (const line of advice(table.routes.map(({ target }) => target.binding))) app.log.warn(line)
  for (const line of notServed(unservedBindings(settings))) app.log.warn(line)
  // Fastify answers 404 to HTTP methods that it does not know; the plugin answers 405.
  for (const method of METHODS.filter((each) => !app.supportedMethods.includes(each)))
    if (method !== 'CONNECT') app.addHttpMethod(method)
  app.removeAllContentTypeParsers()
  // Not parseAs, which keeps a list of the chunks.
  app.addContentTypeParser('*', (request: FastifyRequest) => wholeBody(request, bodyLimit))
  app.setErrorHandler((err, request, reply) =>
    sendError(request, reply, restError(err, bodyLimit, matchOf.of(request)?.target.types), {
      observer,
    }),
  )
  for (const url of mergeSlashes ? ['/*'] : mountPoints(table))
    app.route({
      method: [...app.supportedMethods],
      url,
      exposeHeadRoute: false,
      bodyLimit,
      // Before the body is read: a request that its path or its type refuses needs no body.
      onRequest: (request, reply, next) => {
        try {
          const match = matchRequest(table, request, reply, settings)
          if (match === undefined) return void reply.code(204).send()
          const { target } = match
          observer?.route(request, target.binding)
          // Served here, since Fastify would read the whole body before the handler.
          if (target.kind === 'stream') return target.serve(request, reply, match.values)
          matchOf.attach(request, match as RouteMatch)
          if (!isBodyIgnored(request, target.binding)) {
            refuseByForm(request, target.types)
            refuseLateBody(request, reply, settings.maxTimeoutMs)
          }
          next()
        } catch (err) {
          next(err as Error)
        }
      },
      handler: (request, reply) => serve(request, reply, settings),
    })
}

function mountPoints(table: RouteTable<Target>): string[] {
  return literalPrefixes(table).flatMap((prefix) =>
    prefix === '/' ? ['/*'] : [prefix, `${prefix}/*`],
  )
}

/**
 * Finds the target; undefined for an OPTIONS request, whose Allow header is set. Throws the refusal
 * of a path that matches no target.
 */
function matchRequest(
  table: RouteTable<Target>,
  request: FastifyRequest,
  reply: FastifyReply,
  { mergeSlashes, unescape }: RestSettings,
) {
  const [asked] = splitUrl(request)
  const path = mergeSlashes ? merged(asked) : asked
  const match = matchRoute(table, request.method, path, unescape)
  switch (match.kind) {
    case 'route':
      return match
    case 'malformed':
      throw malformedUrl()
    case 'none':
      throw routeNotFound(request.method, asked)
    case 'method':
      if (request.method !== 'OPTIONS') throw methodNotAllowed(request.method, match.allow)
      void reply.header('allow', match.allow)
      if (match.allow.includes('PATCH')) tellPatchTypes(table, path, reply)
      return undefined
  }
}

/** Sets Accept-Patch to the types of the PATCH binding at this path (RFC 5789, 3.1). */
function tellPatchTypes(table: RouteTable<Target>, path: string, reply: FastifyReply): void {
  const patch = matchRoute(table, 'PATCH', path)
  if (patch.kind === 'route') void reply.header('accept-patch', patch.target.types.list)
}

function merged(path: string): string {
  if (!path.includes('//')) return path
  return `/${path
    .split('/')
    .filter((segment) => segment !== '')
    .join('/')}`
}

/**
 * Not async, and without promises that are not needed: each is a large part of the cost of a small
 * call.
 */
function serve(request: FastifyRequest, reply: FastifyReply, settings: RestSettings): void {
  const match = matchOf.of(request)
  if (match === undefined) throw new Error('a request reached its handler unmatched')
  if (isBodyIgnored(request, match.target.binding) || !mayHaveBody(request))
    return call(reply, match, noBody, settings)
  receivedBody(request, reply, settings.bodyLimit, match.target.types)
    .then((received) => call(reply, match, received, settings))
    .catch((err: unknown) => void reply.send(err))
}

/**
 * Binds the request, calls the method and answers. Throws the refusal of a request that cannot be
 * bound.
 */
function call(
  reply: FastifyReply,
  match: RouteMatch,
  { bytes: body, format }: ReceivedBody,
  settings: RestSettings,
): void {
  const { request } = reply
  const { bind, invoke, encode, binding, etag } = match.target
  const query = splitUrl(request)[1]
  const { message, system, sent } = bind({ values: match.values, query, body, format })
  const conditional = applyPreconditions(etag, message, request)
  const acceptance = accepted(request, system, settings)
  const timeoutMs = clientTimeoutMs(request.headers, settings.maxTimeoutMs)
  const context = new LazyCall(binding.method, request, reply, timeoutMs, settings.call)
  const { compressFrom, observer } = settings
  withinDeadline(invoke(message, context), context)
    .then(
      (output) => {
        const json = encode(output, system)
        sendAnswer(request, reply, context, { acceptance, message: output, json, compressFrom })
      },
      (err: unknown) => {
        const error = conditional ? asPreconditionFailed(restError(err)) : restError(err)
        sendError(request, reply, error, { observer, sent, call: context })
      },
    )
    .catch((err: unknown) => void reply.send(err))
}
