import { createContextValues } from '@connectrpc/connect'
import type { ContextValues, HandlerContext } from '@connectrpc/connect'
import type { DescMethod } from '@bufbuild/protobuf'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** One call over REST, as the handler and its interceptors see it. */
export interface RestCall extends HandlerContext {
  /** Whether a handler or an interceptor has touched the headers of the answer. */
  readonly answerHeaders: Headers | undefined
}

/**
 * A handler context whose Headers and AbortSignal are made when they are first asked for: most
 * handlers touch none of them, and they cost more than a small handler itself.
 */
export function restCall(
  method: DescMethod,
  request: FastifyRequest,
  reply: FastifyReply,
  values: ContextValues = createContextValues(),
): RestCall {
  let signal: AbortSignal | undefined
  let requestHeader: Headers | undefined
  let responseHeader: Headers | undefined
  let responseTrailer: Headers | undefined
  return {
    method,
    service: method.parent,
    protocolName: 'rest',
    requestMethod: request.method,
    values,
    timeoutMs: () => undefined,
    get url() {
      return `${request.protocol}://${request.host}${request.raw.url ?? '/'}`
    },
    get signal() {
      return (signal ??= closeSignal(reply))
    },
    get requestHeader() {
      return (requestHeader ??= headersOf(request))
    },
    get responseHeader() {
      return (responseHeader ??= new Headers())
    },
    get responseTrailer() {
      return (responseTrailer ??= new Headers())
    },
    get answerHeaders() {
      return responseHeader
    },
  }
}

/** Aborts when the client is gone before the answer, or when the answer has been written. */
function closeSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  if (reply.raw.destroyed) controller.abort()
  else reply.raw.once('close', () => controller.abort())
  return controller.signal
}

function headersOf(request: FastifyRequest): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    // HTTP/2's pseudo-headers are not header fields.
    if (name.startsWith(':') || value === undefined) continue
    for (const each of Array.isArray(value) ? value : [value]) headers.append(name, each)
  }
  return headers
}
