import { Code, ConnectError, createContextKey, createContextValues } from '@connectrpc/connect'
import type { ContextValues, HandlerContext } from '@connectrpc/connect'
import type { DescMethod } from '@bufbuild/protobuf'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { requestHeaders } from './headers.ts'
import { clientTimeoutMs } from './timeout.ts'

export interface CallOptions {
  maxTimeoutMs?: number
  grpcMetadataAlias: boolean
  contextValues?: (request: FastifyRequest) => ContextValues
}

/** One call over REST, as the handler and its interceptors see it. */
export interface RestCall extends HandlerContext {
  /** Whether a handler or an interceptor has touched the headers of the answer. */
  readonly answerHeaders: Headers | undefined
  readonly answerTrailers: Headers | undefined
}

/**
 * The HTTP status of an answer that is no error, for a handler to set in the context's values: 201, say.
 * Over the other protocols it has no effect.
 */
export const httpStatusKey = createContextKey<number | undefined>(undefined, {
  description: 'HTTP status of the answer',
})

/**
 * A handler context with the client's deadline, whose Headers and AbortSignal are made when they are
 * first asked for: most handlers touch none of them, and they cost more than a small handler itself.
 */
export function restCall(
  method: DescMethod,
  request: FastifyRequest,
  reply: FastifyReply,
  { maxTimeoutMs, grpcMetadataAlias, contextValues }: CallOptions,
): RestCall {
  const timeoutMs = clientTimeoutMs(request.headers, maxTimeoutMs)
  const values = contextValues?.(request) ?? createContextValues()
  const deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs
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
    timeoutMs: () => deadline && deadline - performance.now(),
    get url() {
      return `${request.protocol}://${request.host}${request.raw.url ?? '/'}`
    },
    get signal() {
      return (signal ??= callSignal(reply, deadline))
    },
    get requestHeader() {
      return (requestHeader ??= requestHeaders(request.headers, grpcMetadataAlias))
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
    get answerTrailers() {
      return responseTrailer
    },
  }
}

// A timer of more fires at once.
const longestTimerMs = 2 ** 31 - 1

/** Aborts at the deadline, when the client is gone before the answer, and when that is written. */
function callSignal(reply: FastifyReply, deadline: number | undefined): AbortSignal {
  const controller = new AbortController()
  if (reply.raw.destroyed) {
    controller.abort(new ConnectError('the client has gone', Code.Canceled))
    return controller.signal
  }
  const timer =
    deadline === undefined
      ? undefined
      : setTimeout(
          () => controller.abort(new ConnectError('the deadline is over', Code.DeadlineExceeded)),
          Math.min(deadline - performance.now(), longestTimerMs),
        )
  reply.raw.once('close', () => {
    clearTimeout(timer)
    controller.abort(new ConnectError('the call is over', Code.Canceled))
  })
  return controller.signal
}
