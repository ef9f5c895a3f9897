import { Code, ConnectError, createContextValues } from '@connectrpc/connect'
import type { ContextValues, HandlerContext } from '@connectrpc/connect'
import type { DescMethod } from '@bufbuild/protobuf'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { clientTimeoutMs } from './timeout.ts'

/** One call over REST, as the handler and its interceptors see it. */
export interface RestCall extends HandlerContext {
  /** Whether a handler or an interceptor has touched the headers of the answer. */
  readonly answerHeaders: Headers | undefined
}

/**
 * A handler context with the client's deadline, whose Headers and AbortSignal are made when they are first asked for: most
 * handlers touch none of them, and they cost more than a small handler itself.
 */
export function restCall(
  method: DescMethod,
  request: FastifyRequest,
  reply: FastifyReply,
  values: ContextValues = createContextValues(),
): RestCall {
  const timeoutMs = clientTimeoutMs(request.headers)
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
          deadline - performance.now(),
        )
  reply.raw.once('close', () => {
    clearTimeout(timer)
    controller.abort(new ConnectError('the call is over', Code.Canceled))
  })
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
