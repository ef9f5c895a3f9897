import type { DescMethod } from '@bufbuild/protobuf'
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from '@connectrpc/connect/protocol'
import { clientDeadlineExceeded, timerMs } from '../../call/timeout.ts'

/** Maximum time for which a body is read to its end while its answer is ready. */
const maxReadMs = 500

type Body = UniversalServerRequest['body']

/** Whether a body has yet to be read; Connect also takes one that is parsed JSON. */
export function isByteStream(body: Body): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body
}

/**
 * Lets Connect stop reading a body before its end. Leaving node's own iterator would destroy the request,
 * and over HTTP/1.1 its unread bytes would then block the connection.
 *
 * Holds back the answer to a call of one message over HTTP/2 until the client has sent it, for half a
 * second at most. connect-go breaks its message off when the answer begins; node:http2 then misses bytes
 * of the content-length and resets the stream with PROTOCOL_ERROR, often before the end of the answer is
 * sent. A client that waits for 100 Continue, which the first reading sends, sends nothing yet.
 *
 * Ends the reading with DEADLINE_EXCEEDED at the client's `deadline`, by performance.now(): the message
 * of a unary call is read before its deadline is otherwise looked at.
 *
 * Returns the request to be handled, and the function that holds back its answer.
 */
export function leavable(
  request: UniversalServerRequest,
  { method }: UniversalHandler,
  deadline: number | undefined,
) {
  const { body } = request
  if (!isByteStream(body)) return { request, held: asIs }
  const chunks = untilOver(body)
  let isSent = !request.header.has('expect')
  function next(): Promise<IteratorResult<Uint8Array>> {
    isSent = true
    return inTime(chunks.next(), deadline)
  }
  function held(response: UniversalServerResponse): UniversalServerResponse {
    if (!response.body || !isSent) return response
    return { ...response, body: afterRequest(response.body, chunks) }
  }
  return {
    request: { ...request, body: { [Symbol.asyncIterator]: () => ({ next }) } },
    held: hasOneMessage(method) && request.httpVersion.startsWith('2') ? held : asIs,
  }
}

const over = { done: true, value: undefined } as const

/**
 * Reads what an iterable has, and lets go of it at its end: a call whose answer is a stream keeps its
 * request for as long as that lasts, and the generators that read it would take several kilobytes.
 */
export function untilOver<T>(iterable: AsyncIterable<T>): AsyncIterator<T> {
  let source: AsyncIterator<T> | undefined = iterable[Symbol.asyncIterator]()
  return {
    async next() {
      const result = (await source?.next()) ?? over
      if (result.done === true) source = undefined
      return result
    },
  }
}

async function inTime<T>(work: Promise<T>, deadline: number | undefined): Promise<T> {
  if (deadline === undefined) return work
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(clientDeadlineExceeded()), timerMs(deadline))
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Whether the client of a method sends exactly one message. */
export function hasOneMessage({ methodKind }: Pick<DescMethod, 'methodKind'>): boolean {
  return methodKind === 'unary' || methodKind === 'server_streaming'
}

function asIs(response: UniversalServerResponse): UniversalServerResponse {
  return response
}

async function* afterRequest(
  body: AsyncIterable<Uint8Array>,
  remaining: AsyncIterator<Uint8Array>,
) {
  let first = true
  for await (const chunk of body) {
    if (first) await dropped(remaining)
    first = false
    yield chunk
  }
  if (first) await dropped(remaining)
}

async function dropped(remaining: AsyncIterator<Uint8Array>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  let over = false
  const timer = setTimeout(() => {
    over = true
    resolve()
  }, maxReadMs)
  async function readAll(): Promise<void> {
    for (;;) {
      const { done } = await remaining.next()
      if (done === true || over) return
    }
  }
  // The reading fails if the client has gone; its exchange reports that.
  await Promise.race([late, readAll().catch(() => undefined)])
  clearTimeout(timer)
}
