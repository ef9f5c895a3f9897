import type {
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  DescService,
  Message,
} from '@bufbuild/protobuf'
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type HandlerContext,
  type Transport,
} from '@connectrpc/connect'
import { streamOf } from '../call/stream.ts'
import { remoteError, type StatusOfReason } from './errors.ts'
import { passedBack, passedOn } from './headers.ts'
import { rememberedInput } from './input.ts'

/** Where the calls of a service go. */
export interface Remote {
  transport: Transport
  /** The maximum of a unary call; undefined: that of its incoming call. */
  timeoutMs: number | undefined
  statuses: StatusOfReason
  /** Whether it gets the credentials of the callers; otherwise it knows this process alone. */
  knowsCallers: boolean
}

/**
 * Adds handlers to a router that pass the calls of a service on: messages one by one as they are asked for,
 * metadata, trailers and errors both ways. The transport passes on deadline and trace.
 */
export function forward(router: ConnectRouter, service: DescService, remote: Remote): void {
  for (const method of service.methods) router.rpc(method, handler(method, remote) as never)
}

function handler(method: DescMethod, remote: Remote) {
  if (isUnary(method))
    return (message: Message, context: HandlerContext) => unary(method, message, context, remote)
  const call = (messages: AsyncIterable<Message>, context: HandlerContext) =>
    streamed(method as DescMethodStreaming, messages, context, remote)
  switch (method.methodKind) {
    case 'server_streaming':
      return (message: Message, context: HandlerContext) => call(streamOf(message), context)
    case 'client_streaming':
      return (messages: AsyncIterable<Message>, context: HandlerContext) =>
        only(call(messages, context), method)
    default:
      return call
  }
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary'
}

async function unary(
  method: DescMethodUnary,
  message: Message,
  context: HandlerContext,
  remote: Remote,
): Promise<Message> {
  const { transport, timeoutMs } = remote
  const { signal, requestHeader } = context
  try {
    const answer = await transport.unary(
      method,
      signal,
      timeoutMs,
      passedOn(requestHeader),
      message,
    )
    append(answer.header, context.responseHeader)
    append(answer.trailer, context.responseTrailer)
    return answer.message
  } catch (err) {
    throw remoteError(err, method.parent.typeName, remote)
  }
}

/** The messages of the remote's answer. Its call ends with them, and when their reader stops early. */
async function* streamed(
  method: DescMethodStreaming,
  messages: AsyncIterable<Message>,
  context: HandlerContext,
  remote: Remote,
): AsyncGenerator<Message> {
  const left = new AbortController()
  const signal = AbortSignal.any([context.signal, left.signal])
  const input = rememberedInput(messages)
  try {
    const headers = passedOn(context.requestHeader)
    const answer = await remote.transport.stream(method, signal, undefined, headers, input.messages)
    append(answer.header, context.responseHeader)
    yield* answer.message as AsyncIterable<Message>
    append(answer.trailer, context.responseTrailer)
  } catch (err) {
    throw input.failure() ?? remoteError(err, method.parent.typeName, remote)
  } finally {
    left.abort(new ConnectError('the reader has stopped', Code.Canceled))
  }
}

/** The message of an answer that has exactly one; the whole answer is read, for its trailers. */
async function only(answers: AsyncIterable<Message>, { parent }: DescMethod): Promise<Message> {
  let first: Message | undefined
  for await (const answer of answers) first ??= answer
  if (first === undefined) throw new Error(`${parent.typeName} has answered without a message`)
  return first
}

function append(from: Headers, to: Headers): void {
  passedBack(from).forEach((value, name) => to.append(name, value))
}
