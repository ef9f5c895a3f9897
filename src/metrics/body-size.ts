import { ServerResponse } from 'node:http'
import { Http2ServerResponse } from 'node:http2'
import { Readable } from 'node:stream'
import type { Request, Response } from '../server/exchange.ts'

/** Bytes of the two bodies of an exchange as they went over the wire, without framing of HTTP. */
export interface BodySizes {
  request: number
  response: number
}

const sizesKey = Symbol('sizes of bodies')

interface Counted {
  [sizesKey]: BodySizes
}

// Functions that all exchanges share: closures made for each cost several times what they do here
// (`npm run bench:metrics`).

const { push } = Readable.prototype as unknown as Pushes
const { write, end } = ServerResponse.prototype as unknown as Sends
const { write: write2 } = Http2ServerResponse.prototype as unknown as Sends

interface Pushes {
  push: (this: object, chunk: unknown, encoding?: BufferEncoding) => boolean
}

interface Sends {
  write: (this: object, ...args: unknown[]) => boolean
  end: (this: object, ...args: unknown[]) => object
}

function pushCounted(this: Readable & Counted, chunk: unknown, encoding?: BufferEncoding): boolean {
  this[sizesKey].request += lengthOf(chunk)
  return push.call(this, chunk, encoding)
}

function writeCounted(this: Counted, chunk: unknown, a?: unknown, b?: unknown): boolean {
  this[sizesKey].response += lengthOf(chunk)
  return write.call(this, chunk, a, b)
}

function endCounted(this: Counted, chunk?: unknown, a?: unknown, b?: unknown): object {
  this[sizesKey].response += lengthOf(chunk)
  return end.call(this, chunk, a, b)
}

function write2Counted(this: Counted, chunk: unknown, a?: unknown, b?: unknown): boolean {
  this[sizesKey].response += lengthOf(chunk)
  return write2.call(this, chunk, a, b)
}

/**
 * Counts what passes through a request and its response. Content-Length would say it for some: gRPC
 * sends none, and a body that is broken off is shorter than it says.
 */
export function countBodies(request: Request, response: Response, sizes: BodySizes): void {
  Object.assign(request, { [sizesKey]: sizes, push: pushCounted })
  // What is given as the body of an answer without one is dropped.
  if (request.method === 'HEAD') return
  // `end` of HTTP/2 calls `write`.
  const counted = 'stream' in response ? counted2 : counted1
  Object.assign(response, { [sizesKey]: sizes }, counted)
}

const counted1 = { write: writeCounted, end: endCounted }
const counted2 = { write: write2Counted }

function lengthOf(chunk: unknown): number {
  if (typeof chunk === 'string') return Buffer.byteLength(chunk)
  return chunk instanceof Uint8Array ? chunk.byteLength : 0
}
