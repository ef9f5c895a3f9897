import { once } from 'node:events'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { constants as zlib, createGzip, type Gzip } from 'node:zlib'
import type { FastifyReply } from 'fastify'

/** Writes the body of an answer piece by piece. */
export interface BodyWriter {
  /** Whether the client has gone, or the answer is over. */
  isClosed(): boolean
  /** Sends the headers, once. */
  begin(): void
  /**
   * Writes with what else is written in this turn of the event loop. Returns a promise if the writer
   * should wait: the client reads too slowly, or much is waiting.
   */
  write(chunk: string | Uint8Array): Promise<void> | undefined
  /** Writes what is left and ends the body, with the trailers that `trailers` gives then. */
  end(trailers?: () => Record<string, string>): Promise<void>
  /** Writes what is left and breaks the body off, so that nobody takes it for a whole one. */
  breakOff(): Promise<void>
}

type Raw = FastifyReply['raw'] & { stream?: ServerHttp2Stream }

/** Bytes that are gathered before they are written without regard to what else is ready. */
const gatheredBytes = 65_536

/**
 * A writer of the body of `reply`, whose status and headers are set already. With `gzip` each write
 * is compressed so that the client can read all of it.
 */
export function bodyWriter(reply: FastifyReply, gzip: boolean): BodyWriter {
  const raw: Raw = reply.raw
  const out = gzip ? compressing(raw) : raw
  const waiting = gathered()
  let hasBegun = false
  let isBlocked = false
  let flushing: Promise<void> | undefined

  async function flush(): Promise<void> {
    while (waiting.size() > 0) {
      // What becomes ready in this turn of the event loop joins; and other calls get their turn.
      await nextTurn()
      begin()
      if (isOver(raw)) break
      isBlocked = !writeAll(out, waiting.take())
      if (isBlocked) await drained(out, raw)
      isBlocked = false
    }
    waiting.take()
    flushing = undefined
  }

  function begin(): void {
    if (hasBegun) return
    hasBegun = true
    takeOver(reply, gzip)
  }

  return {
    isClosed: () => isOver(raw),
    begin() {
      begin()
      raw.flushHeaders()
    },
    write(chunk) {
      waiting.add(chunk)
      flushing ??= flush()
      return isBlocked || waiting.size() >= gatheredBytes ? flushing : undefined
    },
    async end(trailers) {
      await flushing
      begin()
      if (isOver(raw)) return
      const fields = trailers?.() ?? {}
      if (Object.keys(fields).length > 0) raw.addTrailers(fields)
      out.end()
    },
    async breakOff() {
      await flushing
      // What was written last leaves at the end of this turn.
      await nextTurn()
      breakOff(raw)
    },
  }
}

/** Chunks that wait to be written together. */
function gathered() {
  let chunks: (string | Uint8Array)[] = []
  let size = 0
  return {
    add(chunk: string | Uint8Array): void {
      chunks.push(chunk)
      size += chunk.length
    },
    take() {
      const taken = chunks
      chunks = []
      size = 0
      return taken
    },
    size: () => size,
  }
}

/** Writes chunks in one piece. Returns false if the client does not keep up. */
function writeAll(out: Raw | Gzip, chunks: readonly (string | Uint8Array)[]): boolean {
  const [only] = chunks
  const isText = chunks.every((chunk) => typeof chunk === 'string')
  const bytes = isText ? chunks.join('') : chunks.length === 1 && only ? only : joined(chunks)
  // Both kinds of response take both kinds of chunk, which their types do not say together.
  return (out as Gzip).write(bytes)
}

function joined(chunks: readonly (string | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)),
  )
}

async function drained(out: Raw | Gzip, raw: Raw): Promise<void> {
  const left = new AbortController()
  const { signal } = left
  await Promise.race([once(out, 'drain', { signal }), once(raw, 'close', { signal })])
    // Writing to a client that has gone fails, which its exchange tells of.
    .catch(() => undefined)
    .finally(() => left.abort())
}

/** Has the raw response send what was set on the reply, and Fastify send nothing more. */
function takeOver(reply: FastifyReply, gzip: boolean): void {
  const { raw } = reply
  void reply.hijack()
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) raw.setHeader(name, value)
  if (gzip) raw.setHeader('content-encoding', 'gzip')
  raw.statusCode = reply.statusCode
}

function compressing(raw: Raw): Gzip {
  const gzip = createGzip({ flush: zlib.Z_SYNC_FLUSH })
  gzip.pipe(raw as never)
  raw.once('close', () => gzip.destroy())
  return gzip
}

function breakOff(raw: Raw): void {
  if (raw.stream) raw.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  else raw.destroy()
}

/** Node's response of HTTP/2 does not tell. */
function isOver(raw: Raw): boolean {
  return raw.stream?.destroyed ?? raw.destroyed
}
