import type {
  DescMessage,
  DescMethodStreaming,
  Message,
  MessageInitShape,
} from '@bufbuild/protobuf'
import { Code, ConnectError, type ContextValues, type StreamResponse } from '@connectrpc/connect'
import { pause } from './attempts.ts'
import { type Call, isCutShort } from './call.ts'
import { type Failure, failureOf, isNodeFault } from './node/failure.ts'
import { streamEnded, streamTaken } from './node/node.ts'
import type { Parts } from './parts.ts'
import { type Input, repeatable } from './repeatable.ts'
import { mayReplace, retryWait } from './retry.ts'
import { endFailed, type FailedTry, nextTry, type OpenTry } from './try.ts'

/** A streaming call with its messages. */
export interface StreamingCall extends Call {
  method: DescMethodStreaming
  readonly input: AsyncIterable<MessageInitShape<DescMessage>>
  readonly values: ContextValues | undefined
}

/**
 * Opens a stream. A node that cannot be reached, or has as many streams as it takes, is replaced by another
 * one as long as no message was sent; a stream that has begun is never repeated.
 */
export async function openStream(call: StreamingCall, parts: Parts): Promise<StreamResponse> {
  const input = repeatable(call.input, call.method)
  let answer = await opened(call, input, parts)
  let messages = answer.message[Symbol.asyncIterator]()
  let isFirst = true

  /** Most nodes refuse a stream where its first message would be. */
  async function next(): Promise<IteratorResult<Message>> {
    if (!isFirst) return messages.next()
    isFirst = false
    try {
      return await messages.next()
    } catch (err) {
      const failure = failureOf(err, call.signal?.aborted ?? false)
      if (!input.isWhole() || !mayReplace(call, failure, parts)) throw err
      answer = await opened(call, input, parts)
      messages = answer.message[Symbol.asyncIterator]()
      return messages.next()
    }
  }

  return {
    ...answer,
    get trailer() {
      return answer.trailer
    },
    message: { [Symbol.asyncIterator]: () => ({ next }) },
  }
}

async function opened(call: StreamingCall, input: Input, parts: Parts): Promise<StreamResponse> {
  for (;;) {
    const result = await openOnce(call, input, parts)
    if (!('fate' in result)) return result
    const waitMs = input.isWhole() ? waitBefore(call, result, parts) : undefined
    endFailed(result, parts, false)
    if (waitMs === undefined) throw result.error
    if (waitMs > 0) await pause(waitMs, call.signal)
  }
}

function waitBefore(call: StreamingCall, failed: FailedTry, parts: Parts): number | undefined {
  if (failed.fate === 'unsent') return retryWait(call, failed, parts)
  return mayReplace(call, failed, parts) ? 0 : undefined
}

async function openOnce(call: StreamingCall, input: Input, parts: Parts) {
  const next = await nextTry(call, call.signal, parts, streamBegun)
  if ('fate' in next) return next
  const { one, timeoutMs, headers } = next
  const { node } = one
  const open = () =>
    node.transport.stream(
      call.method,
      call.signal,
      timeoutMs,
      headers,
      input.messages(),
      call.values,
    )
  const { tracing, protocol } = parts
  const local = protocol === 'local' && one.span
  try {
    const answer = await (local && tracing ? tracing.within(local, open) : open())
    parts.breakerOf(call.operation)?.ended(true)
    return { ...answer, message: watched(answer.message, call, one, parts) }
  } catch (err) {
    const failure = failureOf(err, call.signal?.aborted ?? false)
    if (failure.fate !== 'unsent' && !isCutShort(call, failure, parts.now()))
      parts.breakerOf(call.operation)?.ended(!isNodeFault(failure))
    noteFirst(call, one, parts, failure)
    settle(one, parts, failure)
    return { ...failure, one }
  }
}

function streamBegun({ node }: OpenTry): void {
  node.streams += 1
}

/** Notes whether its node takes a stream, by the first that comes of it. */
function noteFirst(call: Call, { node }: OpenTry, parts: Parts, failure?: Failure): void {
  const at = parts.now()
  if (failure === undefined) streamTaken(node, at, true)
  else if (failure.fate !== 'ended' && !isCutShort(call, failure, at))
    streamTaken(node, at, !isNodeFault(failure) && failure.error.code !== Code.ResourceExhausted)
}

/** Notes the end of a stream, but for the span of one that failed. */
function settle(one: OpenTry, parts: Parts, failure?: Failure): void {
  streamEnded(one.node)
  if (failure?.fate === 'unsent' || failure?.fate === 'lost') parts.balancer.down(one.node)
  parts.metrics?.ended(one, parts.now() - one.startedAt, failure?.error)
  if (failure === undefined && one.span) parts.tracing?.end(one.span, one)
}

/**
 * The same messages; the try ends with the last one, with an error, or when its caller aborts it.
 * Connect's clients do not tell when their reader stops early, so that alone does not end it.
 */
function watched(
  messages: AsyncIterable<Message>,
  call: Call,
  one: OpenTry,
  parts: Parts,
): AsyncIterable<Message> {
  const { signal } = call
  const iterator = messages[Symbol.asyncIterator]()
  let isOpen = true
  let isFirst = true

  function first(failure?: Failure): void {
    if (isFirst) noteFirst(call, one, parts, failure)
    isFirst = false
  }

  function end(failure?: Failure): void {
    if (!isOpen) return
    isOpen = false
    signal?.removeEventListener('abort', abort)
    settle(one, parts, failure)
    if (failure) endFailed({ ...failure, one }, parts, false)
  }

  function abort(): void {
    end({ error: ConnectError.from(signal?.reason, Code.Canceled), fate: 'ended' })
  }

  async function next(): Promise<IteratorResult<Message>> {
    try {
      const result = await iterator.next()
      first()
      if (result.done === true) end()
      return result
    } catch (err) {
      const failure = failureOf(err, signal?.aborted ?? false)
      first(failure)
      end(failure)
      throw failure.error
    }
  }

  signal?.addEventListener('abort', abort, { once: true })
  return { [Symbol.asyncIterator]: () => ({ next }) }
}
