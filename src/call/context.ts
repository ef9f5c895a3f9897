import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { Code, ConnectError, createContextKey, createContextValues } from '@connectrpc/connect'
import type { ContextValues, HandlerContext } from '@connectrpc/connect'
import type { DescMethod, DescService } from '@bufbuild/protobuf'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { maxTimerMs } from './timeout.ts'

/** The parts of a call that depend on its protocol. */
export interface CallOptions {
  protocolName: string
  headersOf: (received: IncomingHttpHeaders) => Headers
  contextValues?: ((request: FastifyRequest) => ContextValues) | undefined
}

/** One call of a unary method, as the handler and its interceptors see it. */
export interface UnaryCall extends HandlerContext {
  /** The client's deadline, by performance.now(); undefined without one. */
  readonly deadline: number | undefined
  /** Set by the handler and the interceptors; undefined if none of them has asked for the headers. */
  readonly answerHeaders: Headers | undefined
  readonly answerTrailers: Headers | undefined
  readonly answerStatus: number | undefined
}

/**
 * A handler sets this in the context's values to answer a success with another HTTP status than 200,
 * such as 201. It has no effect outside of REST.
 */
export const httpStatusKey = createContextKey<number | undefined>(undefined, {
  description: 'HTTP status of the answer',
})

/**
 * The context of a call. Headers and AbortSignal are made when they are first asked for, since they
 * cost more than a small handler. `timeoutMs` is the client's timeout, counted from this call on. A
 * class, against the habit: the getters are made once for all calls instead of for each. There are five
 * parameters, because an object would be allocated for every call.
 */
export class LazyCall implements UnaryCall {
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
  answerHeaders: Headers | undefined
  answerTrailers: Headers | undefined

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
    // A handler may take this function out of the context, so it must not use `this`.
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
    return (this.answerHeaders ??= new Headers())
  }
  get responseTrailer() {
    return (this.answerTrailers ??= new Headers())
  }
  get answerStatus() {
    return this.#values?.get(httpStatusKey)
  }
}

function noTimeout(): undefined {
  return undefined
}

// Made once: an error with its stack costs more than all else in a small call.
const callIsOver = new ConnectError('the call is over', Code.Canceled)

type Answer = FastifyReply['raw'] & { stream?: Partial<Pick<Readable, 'destroyed'>> }

/** Whether an answer is written or its client has gone. Over HTTP/2 only the stream tells, not the response. */
export function isOver({ stream, destroyed }: Answer): boolean {
  return stream?.destroyed ?? destroyed
}

/** A signal that aborts at the deadline, when the client disconnects, and when the answer is written. */
function callSignal({ raw }: { raw: Answer }, deadline: number | undefined): AbortSignal {
  const controller = new AbortController()
  if (isOver(raw)) {
    controller.abort(new ConnectError('the client has gone', Code.Canceled))
    return controller.signal
  }
  const expire = () =>
    controller.abort(new ConnectError('the deadline is over', Code.DeadlineExceeded))
  const leftMs = deadline === undefined ? Number.POSITIVE_INFINITY : deadline - performance.now()
  // A timer would fire only after this turn of the event loop.
  if (leftMs <= 0) {
    expire()
    return controller.signal
  }
  const timer =
    deadline === undefined ? undefined : setTimeout(expire, Math.min(leftMs, maxTimerMs))
  raw.on('close', () => {
    clearTimeout(timer)
    controller.abort(callIsOver)
  })
  return controller.signal
}
