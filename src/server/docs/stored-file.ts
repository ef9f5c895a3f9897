import { hash } from 'node:crypto'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { namesTag } from '../../rest/answer/etag.ts'
import { answerCoding } from '../../rest/answer/negotiate.ts'
import type { Coding } from '../../rest/codings.ts'
import { variantTag } from '../../rest/etag-variants.ts'

/** A file that is sent as it is. */
export interface StoredFile {
  type: string
  bytes: Buffer
  etag: string
  /** The file in a coding; compressed when it is first asked for. */
  coded: (coding: Coding) => Promise<Buffer>
}

const { BROTLI_PARAM_QUALITY, ZSTD_c_compressionLevel: zstdLevel } = zlib.constants
const gzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip)
const brotli = promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliCompress)
const zstd = promisify<Buffer, zlib.ZstdOptions, Buffer>(zlib.zstdCompress)

// Higher levels take seconds for the script of the page, which the first reader would wait for.
const compress: Record<Coding, (bytes: Buffer) => Promise<Buffer>> = {
  gzip: (bytes) => gzip(bytes, { level: 9 }),
  br: (bytes) => brotli(bytes, { params: { [BROTLI_PARAM_QUALITY]: 7 } }),
  zstd: (bytes) => zstd(bytes, { params: { [zstdLevel]: 9 } }),
}

/** Makes a file to be sent. */
export function storedFile(type: string, content: string | Buffer): StoredFile {
  const bytes = Buffer.from(content)
  const made = new Map<Coding, Promise<Buffer>>()
  return {
    type,
    bytes,
    etag: `"${hash('sha1', bytes, 'base64url')}"`,
    coded(coding) {
      const smaller = made.get(coding) ?? compress[coding](bytes)
      made.set(coding, smaller)
      return smaller
    },
  }
}

/** Sends a file, or 304 if the client has it. `vary` names the headers that choose the file. */
export async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: StoredFile,
  vary = 'Accept-Encoding',
): Promise<unknown> {
  const { 'if-none-match': held, 'accept-encoding': accepted } = request.headers
  // A client that accepts neither a coding nor the plain file gets that all the same.
  const coding = answerCoding(accepted)?.coding
  const etag = variantTag(file.etag, file.type, coding)
  void reply
    .header('etag', etag)
    .header('vary', vary)
    .header('cache-control', 'no-cache')
    .header('x-content-type-options', 'nosniff')
  if (held !== undefined && namesTag(held, etag)) return reply.code(304).send()
  void reply.header('content-type', file.type)
  if (coding === undefined) return reply.send(file.bytes)
  return reply.header('content-encoding', coding).send(await file.coded(coding))
}
