import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { gatheredBytes } from './message/gathered-bytes.ts'
import { clientDeadlineExceeded, timerMs } from './timeout.ts'

type Incoming = IncomingMessage | Http2ServerRequest

interface ReadBody {
  /** The whole body, or its beginning, up to the chunk that exceeds the limit. */
  body: Buffer
  /** The chunks after that; absent if the body is whole. */
  remaining?: AsyncIterator<Uint8Array>
}

/** The maximum size of a body with one message, known when its first `headBytes` have arrived. */
interface BodyLimit {
  readonly headBytes: number
  limitOf: (head: Buffer, maxMessageBytes: number) => number
}

/** That of a body which is nothing but the message. */
export const onlyMessage: BodyLimit = { headBytes: 0, limitOf: (_head, maxBytes) => maxBytes }

/** How a protocol puts one message into a body. Connect gets, and refuses, a body above its limit. */
export interface MessageBody extends BodyLimit {
  /** The message of a whole body; undefined if the body is not exactly one message. */
  messageOf(body: Buffer): Buffer | undefined
}

/**
 * Reads a body to its end, or to the chunk that goes past its limit. Throws DEADLINE_EXCEEDED for one
 * that is not there at the client's `deadline`, by performance.now(). Stays unsettled if the request
 * ends otherwise, which its exchange tells of.
 */
export function readBody(
  request: Incoming,
  { headBytes, limitOf }: BodyLimit,
  maxMessageBytes: number,
  deadline?: number,
): Promise<ReadBody> {
  const { promise, resolve, reject } = Promise.withResolvers<ReadBody>()
  const gathered = gatheredBytes()
  let limit: number | undefined

  function add(chunk: Buffer): void {
    gathered.add(chunk)
    if (gathered.size() >= headBytes) limit ??= limitOf(gathered.bytes(), maxMessageBytes)
    if (limit === undefined || gathered.size() <= limit) return
    leave()
    request.pause()
    const remaining = request.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>
    resolve({ body: gathered.bytes(), remaining })
  }

  function end(): void {
    leave()
    resolve({ body: gathered.bytes() })
  }

  function leave(): void {
    request.off('data', add)
    request.off('end', end)
    forget?.()
  }

  request.on('data', add)
  request.on('end', end)
  const forget =
    deadline === undefined
      ? undefined
      : whenLate(request, deadline, () => {
          leave()
          reject(clientDeadlineExceeded())
        })
  return promise
}

/**
 * Calls back at a client's deadline, by performance.now(), unless the request has ended before. Returns
 * the function that cancels.
 */
export function whenLate(request: Incoming, deadline: number, late: () => void): () => void {
  const timer = setTimeout(late, timerMs(deadline))
  const cancel = () => clearTimeout(timer)
  request.on('close', cancel)
  return cancel
}

/** The chunks of a body of which a part has been read. */
export async function* replayed({ body, remaining }: ReadBody): AsyncGenerator<Uint8Array> {
  yield body
  if (remaining) yield* { [Symbol.asyncIterator]: () => ({ next: () => remaining.next() }) }
}
