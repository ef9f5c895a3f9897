import type { Message } from '@bufbuild/protobuf'
import type {
  Interceptor,
  MethodImplSpec,
  StreamRequest,
  StreamResponse,
} from '@connectrpc/connect'
import type { UnaryCall } from './context.ts'
import {
  callKey,
  InterceptedCall,
  normalized,
  replaceBy,
  unaryInvoker,
  type UnaryMethod,
} from './invoke.ts'

type ServerStream = Extract<MethodImplSpec, { kind: 'server_streaming' }>
type ClientStream = Extract<MethodImplSpec, { kind: 'client_streaming' }>

/** A method that streams in one direction or in none, with its implementation. */
export type OneWayMethod = UnaryMethod | ServerStream | ClientStream

/**
 * Calls a method with the messages of its request. The promise rejects if the call fails before its
 * handler has been reached, or, for a method that answers one message, at all.
 */
export type StreamInvoker = (
  messages: AsyncIterable<Message>,
  call: UnaryCall,
) => Promise<AsyncIterable<Message>>

/**
 * Composes a method with its interceptors, once, the first outermost. Interceptors see each call of a
 * streaming method once, with `stream: true`, as in Connect's own handlers.
 */
export function streamInvoker(
  spec: OneWayMethod,
  interceptors: readonly Interceptor[],
): StreamInvoker {
  return spec.kind === 'unary'
    ? unaryAsStream(unaryInvoker(spec, interceptors))
    : composed(spec, interceptors)
}

function composed(
  spec: ServerStream | ClientStream,
  interceptors: readonly Interceptor[],
): StreamInvoker {
  const { method } = spec

  async function handle(req: StreamRequest): Promise<StreamResponse> {
    const call = req.contextValues.get(callKey)
    if (call === undefined) throw new Error('an interceptor dropped the context values')
    return {
      stream: true,
      method,
      service: method.parent,
      message: await outputOf(spec, req, new InterceptedCall(call, req)),
      header: call.responseHeader,
      trailer: call.responseTrailer,
    }
  }
  const chain = interceptors.reduceRight<ReturnType<Interceptor>>(
    (next, interceptor) => interceptor(next),
    (req) => handle(req as StreamRequest),
  )
  return async function invoke(messages, call) {
    const { message, header, trailer } = await chain(streamRequest(method, messages, call))
    if (header !== call.answerHeaders) replaceBy(header, call.responseHeader)
    const output = message as AsyncIterable<Message>
    return trailer === call.responseTrailer ? output : withTrailer(output, trailer, call)
  }
}

function streamRequest(
  method: StreamRequest['method'],
  message: AsyncIterable<Message>,
  call: UnaryCall,
): StreamRequest {
  return {
    stream: true,
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

async function outputOf(
  spec: ServerStream | ClientStream,
  { message }: StreamRequest,
  context: InterceptedCall,
): Promise<AsyncIterable<Message>> {
  const { output } = spec.method
  if (spec.kind === 'client_streaming')
    return streamOf(normalized(output, await spec.impl(message, context)))
  const answers = spec.impl(await onlyMessage(message), context)
  async function* normalizedAll() {
    for await (const each of answers) yield normalized(output, each)
  }
  return normalizedAll()
}

/** The trailer of an interceptor is complete when the messages are. */
async function* withTrailer(
  messages: AsyncIterable<Message>,
  trailer: Headers,
  call: UnaryCall,
): AsyncGenerator<Message> {
  yield* messages
  replaceBy(trailer, call.responseTrailer)
}

function unaryAsStream(invoke: ReturnType<typeof unaryInvoker>): StreamInvoker {
  return async (messages, call) => streamOf(await invoke(await onlyMessage(messages), call))
}

/** A stream of one message. */
export async function* streamOf(message: Message): AsyncGenerator<Message> {
  yield message
}

/** The message of a stream that has exactly one. Throws if it has none. */
export async function onlyMessage(messages: AsyncIterable<Message>): Promise<Message> {
  let only: Message | undefined
  for await (const message of messages) only ??= message
  if (only === undefined) throw new Error('a stream has no message where one is needed')
  return only
}
