import { validateHeaderValue } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { DescMethod } from '@bufbuild/protobuf'
import {
  Code,
  ConnectError,
  type ConnectRouterOptions,
  type ContextValues,
  createConnectRouter,
  type HandlerContext,
  type MethodImplSpec,
} from '@connectrpc/connect'
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node'
import type { UniversalHandler, UniversalServerResponse } from '@connectrpc/connect/protocol'
import { contentTypeRegExp as connectTypes } from '@connectrpc/connect/protocol-connect'
import { contentTypeRegExp as grpcTypes } from '@connectrpc/connect/protocol-grpc'
import { contentTypeRegExp as grpcWebTypes } from '@connectrpc/connect/protocol-grpc-web'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { hopByHop, mergedVary } from '../../call/headers.ts'
import { normalized } from '../../call/invoke.ts'
import { refusal } from '../../call/refusal.ts'
import { compressions } from './compressions.ts'
import { encodedResponse, isText } from './grpc-web-text.ts'
import { withPlainMessages } from './plain-messages.ts'

interface ConnectRoutesOptions extends ConnectRouterOptions {
  methods: readonly MethodImplSpec[]
  /** Wraps each handler. */
  wrap: (handler: UniversalHandler) => UniversalHandler
  contextValues: (request: FastifyRequest) => ContextValues
  /** Called before each call of a streaming method; throws the refusal if there are too many. */
  openStream?: (request: FastifyRequest, reply: FastifyReply, method: DescMethod) => void
  /** Called for a call that failed outside of Connect's handler, before it is answered with `error`. */
  failed: (request: FastifyRequest, error: ConnectError) => void
  /** Called for a call whose answer has begun and is broken off. */
  brokenOff: (request: FastifyRequest, error: ConnectError) => void
}

type Raw = FastifyRequest['raw']

/**
 * Serves methods by Connect's handlers. connect-fastify's plugin does the same, but writes what a
 * handler throws to the console and lets Fastify answer 200 without a body; here it is an error.
 */
export function connectRoutes(
  app: FastifyInstance,
  { methods, wrap, ...options }: ConnectRoutesOptions,
  done: () => void,
): void {
  const router = createConnectRouter({ ...options, acceptCompression: compressions })
  for (const spec of methods) router.rpc(spec.method as never, answering(spec) as never)
  leaveBodies(app)
  for (const handler of router.handlers) {
    const wrapped = wrap(handler)
    const { method } = handler
    const opens = method.methodKind === 'unary' ? undefined : options.openStream
    app.all(handler.requestPath, (request, reply) => {
      opens?.(request, reply, method)
      void serve(wrapped, request, reply, options)
    })
  }
  done()
}

/** Bodies of Connect's types are left for its handlers to read; other types are refused unread. */
function leaveBodies(app: FastifyInstance): void {
  // Fastify reads text/plain by itself.
  app.removeAllContentTypeParsers()
  // By name, too: Fastify tries names before expressions, and has a parser for the name of JSON.
  const names = ['application/json', 'application/connect+json']
  for (const type of [names, connectTypes, grpcTypes, grpcWebTypes])
    app.addContentTypeParser(type, (_request, _body, read) => read(null, undefined))
}

/** Has a method that returns nothing fail; Connect would answer with an empty message. */
function answering(spec: MethodImplSpec): MethodImplSpec['impl'] {
  if (spec.kind !== 'unary' && spec.kind !== 'client_streaming') return spec.impl
  const { method, impl } = spec
  // One type for both kinds, whose requests differ.
  const call = impl as (request: unknown, context: HandlerContext) => ReturnType<typeof impl>
  return async (request: unknown, context: HandlerContext) =>
    normalized(method.output, await call(request, context))
}

async function serve(
  handler: UniversalHandler,
  request: FastifyRequest,
  reply: FastifyReply,
  options: Pick<ConnectRoutesOptions, 'contextValues' | 'failed' | 'brokenOff'>,
): Promise<void> {
  const { raw } = reply
  try {
    const response = await handled(handler, request, reply, options)
    for (const [name, value] of Object.entries(reply.getHeaders()))
      if (value !== undefined) raw.setHeader(name, value)
    // Caches keep answers to GET, which differ by Accept-Encoding.
    if (request.method === 'GET')
      response.header?.set('Vary', mergedVary(raw.getHeader('vary'), 'Accept-Encoding'))
    const answer = checked(withPlainMessages(response))
    const inText = isText(request.headers['content-type'] ?? '')
    await universalResponseToNodeResponse(inText ? encodedResponse(answer) : answer, raw)
  } catch (cause) {
    const error = refusal(Code.Internal, 'INTERNAL', 'internal error', { cause })
    if (hasGone(cause, raw)) return void raw.destroy()
    if (!raw.headersSent) {
      options.failed(request, error)
      return void reply.send(error)
    }
    options.brokenOff(request, error)
    breakOff(raw)
  }
}

/** A function of its own: the call, with its body and headers, would stay in `serve` until its end. */
function handled(
  handler: UniversalHandler,
  request: FastifyRequest,
  { raw }: FastifyReply,
  { contextValues }: Pick<ConnectRoutesOptions, 'contextValues'>,
): Promise<UniversalServerResponse> {
  const values = contextValues(request)
  parsableAuthority(request.raw)
  return handler(universalRequestFromNodeRequest(request.raw, raw, request.body as never, values))
}

/**
 * Has the answer fail if a header or trailer cannot be sent. Over HTTP/2 node sends values that it
 * refuses over HTTP/1.1, and clients then drop the answer or the field.
 */
function checked(response: UniversalServerResponse): UniversalServerResponse {
  const { header, body, trailer } = response
  return body ? { ...response, body: checkedBody(body, header, trailer) } : response
}

async function* checkedBody(
  chunks: AsyncIterable<Uint8Array>,
  header: Headers | undefined,
  trailer: Headers | undefined,
) {
  let begun = false
  for await (const chunk of chunks) {
    // Handlers may set headers until here, and trailers until the end.
    if (!begun) check(header)
    begun = true
    yield chunk
  }
  if (!begun) check(header)
  check(trailer)
}

/** Takes the fields of the connection out. Throws for a value that cannot be sent. */
function check(fields: Headers | undefined): void {
  for (const name of hopByHop) fields?.delete(name)
  fields?.forEach((value, name) => validateHeaderValue(name, value))
}

type Answering = FastifyReply['raw'] & { stream?: ServerHttp2Stream }

/** Whether the client has gone. Connect throws ABORTED for that; a handler's own ABORTED is not thrown. */
function hasGone(cause: unknown, raw: Answering): boolean {
  const over = raw.stream?.destroyed ?? raw.destroyed
  return over || ConnectError.from(cause).code === Code.Aborted
}

/** Ends an answer so that its client sees that it is incomplete. */
export function breakOff(raw: Answering): void {
  if (raw.stream) raw.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  else raw.destroy()
}

/**
 * Connect makes a URL of the authority and throws where that is none, though a name in percent
 * escapes, an IPv6 zone and an empty Host are all legal. It reads `authority`, which is given to the
 * request here for it; the headers stay.
 */
function parsableAuthority(request: Raw & { authority?: string }): void {
  const given = request.authority ?? request.headers.host ?? ''
  const value = URL.canParse(`http://${given}`) ? given : 'localhost'
  Object.defineProperty(request, 'authority', { value })
}
