import { setImmediate as nextTurn } from 'node:timers/promises'
import { Code } from '@connectrpc/connect'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isOver } from '../../call/context.ts'
import { refusal } from '../../call/refusal.ts'
import { decoded, limited } from '../decoded.ts'
import { codingOf } from '../request/decompress.ts'

/** Limits of a streamed request. */
interface UploadLimits {
  /** Maximum bytes of the body, both as sent and decompressed. */
  maxBytes: number
  /** Maximum milliseconds between two of its parts. */
  idleMs: number
}

/**
 * The body of a request as it arrives, decompressed. Nothing is read ahead of its reader but what node
 * buffers. Throws UNSUPPORTED_MEDIA_TYPE at once; BODY_TOO_LARGE, REQUEST_TIMEOUT, MALFORMED_BODY and
 * CANCELED while it is read.
 */
export function uploadedBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  { maxBytes, idleMs }: UploadLimits,
): AsyncIterable<Uint8Array> {
  const coding = codingOf(request.headers['content-encoding'])
  const sent = limited(received(request.raw, idleMs), maxBytes)
  const chunks = coding === undefined ? sent : limited(decoded(sent, coding), maxBytes)
  return whileAwaited(chunks, reply.raw)
}

/**
 * The same chunks, each in a turn of the event loop of its own, until nobody waits for the answer. A few
 * bytes can stand for a body of 1 GiB that has no message, by which its reader would see that.
 */
async function* whileAwaited(
  chunks: AsyncIterable<Uint8Array>,
  answer: FastifyReply['raw'],
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    await nextTurn()
    if (isOver(answer)) throw clientGone()
    yield chunk
  }
}

async function* received(raw: FastifyRequest['raw'], idleMs: number): AsyncGenerator<Uint8Array> {
  // The rest of a body that is not read to its end is the connection's to drop.
  const chunks = raw.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>
  for (;;) {
    const { done, value } = await within(idleMs, chunks.next())
    // Over HTTP/2 a body that is broken off just ends.
    if (done === true && 'stream' in raw && (raw.stream as { aborted?: boolean }).aborted === true)
      throw clientGone()
    if (done === true) return
    yield value
  }
}

/** The next chunk. Rejects if it does not come in time, or if the client has gone. */
async function within<T>(idleMs: number, next: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(timedOut(idleMs)), idleMs)
  try {
    return await Promise.race([next.catch(failed), late])
  } finally {
    clearTimeout(timer)
  }
}

function failed(cause: unknown): never {
  throw clientGone(cause)
}

function clientGone(cause?: unknown) {
  return refusal(Code.Canceled, 'CANCELED', 'the client has gone', { cause })
}

function timedOut(idleMs: number) {
  const message = `nothing of the request has arrived for ${idleMs / 1000} s`
  return refusal(Code.DeadlineExceeded, 'REQUEST_TIMEOUT', message, { status: 408 })
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/** A text without a byte order mark, which some editors put before it. */
export async function* withoutMark(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head: Uint8Array | undefined = new Uint8Array()
  for await (const chunk of chunks) {
    if (head === undefined) {
      yield chunk
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < byteOrderMark.length) continue
    yield markCut(head)
    head = undefined
  }
  if (head !== undefined) yield markCut(head)
}

function markCut(head: Uint8Array): Uint8Array {
  const { length } = byteOrderMark
  return byteOrderMark.equals(head.subarray(0, length)) ? head.subarray(length) : head
}
