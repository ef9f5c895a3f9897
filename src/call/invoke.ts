import { create } from '@bufbuild/protobuf'
import type { DescMessage, Message, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { createContextKey } from '@connectrpc/connect'
import type {
  HandlerContext,
  Interceptor,
  MethodImplSpec,
  UnaryRequest,
  UnaryResponse,
} from '@connectrpc/connect'
import type { UnaryCall } from './context.ts'

/** A unary method with its implementation. */
export type UnaryMethod = Extract<MethodImplSpec, { kind: 'unary' }>

/** Gives the innermost handler its call, although interceptors may pass on another request object. */
export const callKey = createContextKey<UnaryCall | undefined>(undefined)

/**
 * Composes a method with its interceptors, the first outermost. Connect's own handlers do this for each
 * call; here it is done once.
 */
export function unaryInvoker(
  { method, impl }: UnaryMethod,
  interceptors: readonly Interceptor[],
): (message: Message, call: UnaryCall) => Promise<Message> {
  if (interceptors.length === 0)
    return async function invoke(message, call) {
      return normalized(method.output, await impl(message, call))
    }

  async function handle(req: UnaryRequest): Promise<UnaryResponse> {
    const call = req.contextValues.get(callKey)
    if (call === undefined) throw new Error('an interceptor dropped the context values')
    const output = await impl(req.message, new InterceptedCall(call, req))
    return {
      stream: false,
      method,
      service: method.parent,
      message: normalized(method.output, output),
      header: call.responseHeader,
      trailer: call.responseTrailer,
    }
  }
  const chain = interceptors.reduceRight<ReturnType<Interceptor>>(
    (next, interceptor) => interceptor(next),
    // The requests of this chain are made below, and none is a stream.
    handle as ReturnType<Interceptor>,
  )
  function begun(message: Message, call: UnaryCall): ReturnType<typeof chain> {
    try {
      return chain(unaryRequest(method, message, call))
    } catch (err) {
      return Promise.reject(err)
    }
  }
  // None of these is async: what a suspended function holds is copied while its call waits (ADR 36).
  return function invoke(message, call) {
    return begun(message, call).then(({ message: output, header, trailer }) => {
      if (header !== call.answerHeaders) replaceBy(header, call.responseHeader)
      if (trailer !== call.answerTrailers) replaceBy(trailer, call.responseTrailer)
      return output as Message
    })
  }
}

/** Replaces the headers of an answer by those that an interceptor has answered with. */
export function replaceBy(given: Headers, headers: Headers): void {
  for (const name of Array.from(headers.keys())) headers.delete(name)
  for (const [name, value] of given) headers.append(name, value)
}

// Plain properties: getters in an object literal give each object a hidden class of its own, which
// holds all that the call has until the next full collection.
function unaryRequest(
  method: UnaryMethod['method'],
  message: Message,
  call: UnaryCall,
): UnaryRequest {
  return {
    stream: false,
    method,
    service: method.parent,
    requestMethod: call.requestMethod,
    message,
    contextValues: call.values.set(callKey, call),
    url: call.url,
    signal: call.signal,
    header: call.requestHeader,
  }
}

type Intercepted = Pick<UnaryRequest, 'contextValues' | 'signal' | 'header'>

/** The call with the signal, headers and values that the interceptors pass on. */
export class InterceptedCall implements HandlerContext {
  readonly #call: UnaryCall
  readonly #req: Intercepted
  readonly timeoutMs: () => number | undefined

  constructor(call: UnaryCall, req: Intercepted) {
    this.#call = call
    this.#req = req
    this.timeoutMs = call.timeoutMs
  }

  get values() {
    return this.#req.contextValues
  }
  get signal() {
    return this.#req.signal
  }
  get requestHeader() {
    return this.#req.header
  }
  get method() {
    return this.#call.method
  }
  get service() {
    return this.#call.service
  }
  get protocolName() {
    return this.#call.protocolName
  }
  get requestMethod() {
    return this.#call.requestMethod
  }
  get url() {
    return this.#call.url
  }
  get responseHeader() {
    return this.#call.responseHeader
  }
  get responseTrailer() {
    return this.#call.responseTrailer
  }
}

/** Makes the message that a method has returned. Throws for undefined, which `create` would take for {}. */
export function normalized<Desc extends DescMessage>(
  desc: Desc,
  output: MessageInitShape<Desc> | null | undefined,
): MessageShape<Desc> {
  if (output === undefined || output === null)
    throw new Error(`a method has returned nothing instead of ${desc.typeName}`)
  return create(desc, output)
}
