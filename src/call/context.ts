import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { Code, ConnectError, createContextKey, createContextValues } from '@connectrpc/connect'
import type { ContextValues, HandlerContext } from '@connectrpc/connect'
import type { DescMethod, DescService } from '@bufbuild/protobuf'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { maxTimerMs } from './timeout.ts'

/** What a protocol gives to each of its calls. */
export interface CallOptions {
  protocolName: string
  headersOf: (received: IncomingHttpHeaders) => Headers
  contextValues?: ((request: FastifyRequest) => ContextValues) | undefined
}

/** One call of a unary method, as the handler and its interceptors see it. */
export interface UnaryCall extends HandlerContext {
  /** When the client's time is over, on the clock of performance.now(). */
  readonly deadline: number | undefined
  /** What handler and interceptors have set for the answer; undefined where they touched nothing. */
  readonly answerHeaders: Headers | undefined
  readonly answerTrailers: Headers | undefined
  readonly answerStatus: number | undefined
}

/**
 * The HTTP status of an answer that is no error, for a handler to set in the context's values: 201, say.
 * Over the other protocols it has no effect.
 */
export const httpStatusKey = createContextKey<number | undefined>(undefined, {
  description: 'HTTP status of the answer',
})

/**
 * A handler context whose Headers and AbortSignal are made when they are first asked for: most handlers
 * touch none of them, and they cost more than a small handler itself. `timeoutMs` is what the client
 * gives the call, from now on. Its five parameters are not one object, which every call would allocate.
 */
export function unaryCall(
  method: DescMethod,
  request: FastifyRequest,
  reply: FastifyReply,
  timeoutMs: number | undefined,
  options: CallOptions,
): UnaryCall {
  return new LazyCall(method, request, reply, timeoutMs, options)
}

/** A class, against the habit: ten getters are made once for all calls instead of for each. */
class LazyCall implements UnaryCall {
  readonly method: DescMethod
  readonly service: DescService
  readonly protocolName: string
  readonly requestMethod: string
  readonly deadline: number | undefined
  readonly timeoutMs: () => number | undefined
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #options: CallOptions
  #values: ContextValues | undefined
  #signal: AbortSignal | undefined
  #requestHeader: Headers | undefined
  #responseHeader: Headers | undefined
  #responseTrailer: Headers | undefined

  constructor(
    method: DescMethod,
    request: FastifyRequest,
    reply: FastifyReply,
    timeoutMs: number | undefined,
    options: CallOptions,
  ) {
    this.method = method
    this.service = method.parent
    this.protocolName = options.protocolName
    this.requestMethod = request.method
    this.#request = request
    this.#reply = reply
    this.#options = options
    const deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs
    this.deadline = deadline
    // Handlers take it out of the context, so it must not depend on it.
    this.timeoutMs = deadline === undefined ? noTimeout : () => deadline - performance.now()
  }

  get values() {
    return (this.#values ??= this.#options.contextValues?.(this.#request) ?? createContextValues())
  }
  get url() {
    const { protocol, host, raw } = this.#request
    return `${protocol}://${host}${raw.url ?? '/'}`
  }
  get signal() {
    return (this.#signal ??= callSignal(this.#reply, this.deadline))
  }
  get requestHeader() {
    return (this.#requestHeader ??= this.#options.headersOf(this.#request.headers))
  }
  get responseHeader() {
    return (this.#responseHeader ??= new Headers())
  }
  get responseTrailer() {
    return (this.#responseTrailer ??= new Headers())
  }
  get answerHeaders() {
    return this.#responseHeader
  }
  get answerTrailers() {
    return this.#responseTrailer
  }
  get answerStatus() {
    return this.#values?.get(httpStatusKey)
  }
}

function noTimeout(): undefined {
  return undefined
}

// Made once: an error with its stack costs more than the rest of a small call.
const callIsOver = new ConnectError('the call is over', Code.Canceled)

/** Aborts at the deadline, when the client is gone before the answer, and when that is written. */
function callSignal(reply: FastifyReply, deadline: number | undefined): AbortSignal {
  const controller = new AbortController()
  if (isOver(reply.raw)) {
    controller.abort(new ConnectError('the client has gone', Code.Canceled))
    return controller.signal
  }
  const expire = () =>
    controller.abort(new ConnectError('the deadline is over', Code.DeadlineExceeded))
  const leftMs = deadline === undefined ? Number.POSITIVE_INFINITY : deadline - performance.now()
  // A timer would let what is done in this turn of the event loop pass.
  if (leftMs <= 0) {
    expire()
    return controller.signal
  }
  const timer =
    deadline === undefined ? undefined : setTimeout(expire, Math.min(leftMs, maxTimerMs))
  reply.raw.once('close', () => {
    clearTimeout(timer)
    controller.abort(callIsOver)
  })
  return controller.signal
}

/** Node's response of HTTP/2 does not tell. */
function isOver(raw: FastifyReply['raw'] & { stream?: Partial<Pick<Readable, 'destroyed'>> }) {
  return raw.stream?.destroyed ?? raw.destroyed
}
