import { ServerResponse } from 'node:http'
import { Http2ServerResponse } from 'node:http2'
import { Readable } from 'node:stream'
import { attachment } from '../../memory/attachment.ts'
import type { Request, Response } from '../../server/exchange/exchange.ts'

/** Bytes of the two bodies of an exchange as they went over the wire, without framing of HTTP. */
export interface BodySizes {
  request: number
  response: number
}

const sizesOf = attachment<object, BodySizes>('sizes of bodies')

/** The methods that are counted, without the overloads of their types. */
interface Counted {
  push: (chunk: unknown, encoding?: BufferEncoding) => boolean
  write: (chunk: unknown, a?: unknown, b?: unknown) => boolean
  end: (chunk?: unknown, a?: unknown, b?: unknown) => unknown
}

// Functions that all exchanges share: closures made for each cost several times what they do here
// (`npm run bench:metrics`).

const prototypeOf = (it: object) => it as Counted
const { push } = prototypeOf(Readable.prototype)
const { write, end } = prototypeOf(ServerResponse.prototype)
const { write: write2 } = prototypeOf(Http2ServerResponse.prototype)

function pushCounted(this: Counted, chunk: unknown, encoding?: BufferEncoding): boolean {
  count(this, 'request', chunk)
  return push.call(this, chunk, encoding)
}

function writeCounted(this: Counted, chunk: unknown, a?: unknown, b?: unknown): boolean {
  count(this, 'response', chunk)
  return write.call(this, chunk, a, b)
}

function endCounted(this: Counted, chunk?: unknown, a?: unknown, b?: unknown): unknown {
  count(this, 'response', chunk)
  return end.call(this, chunk, a, b)
}

function write2Counted(this: Counted, chunk: unknown, a?: unknown, b?: unknown): boolean {
  count(this, 'response', chunk)
  return write2.call(this, chunk, a, b)
}

/**
 * Counts what passes through a request and its response. Content-Length would say it for some: gRPC
 * sends none, and a body that is broken off is shorter than it says.
 */
export function countBodies(request: Request, response: Response, sizes: BodySizes): void {
  const counted = request as unknown as Counted
  sizesOf.attach(request, sizes)
  // What came in one packet with the head is there already.
  sizes.request += request.readableLength
  counted.push = pushCounted
  // Node drops the body of an answer to HEAD.
  if (request.method === 'HEAD') return
  const answer = response as unknown as Counted
  sizesOf.attach(response, sizes)
  // Over HTTP/2 `end` calls `write`. Over HTTP/1.1 no event and no field tells the size of the chunk that
  // `end` is given, so `end` is replaced, which nothing else does there.
  if ('stream' in response) answer.write = write2Counted
  else {
    answer.write = writeCounted
    answer.end = endCounted
  }
}

function count(counted: object, body: keyof BodySizes, chunk: unknown): void {
  const sizes = sizesOf.of(counted)
  if (sizes) sizes[body] += lengthOf(chunk)
}

function lengthOf(chunk: unknown): number {
  if (typeof chunk === 'string') return Buffer.byteLength(chunk)
  return chunk instanceof Uint8Array ? chunk.byteLength : 0
}
