import { hash } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { namesTag } from '../../rest/answer/etag.ts'
import { answerCoding } from '../../rest/answer/negotiate.ts'

/** A file that is sent as it is. */
export interface StoredFile {
  type: string
  bytes: Buffer
  gzip: Buffer
  etag: string
}

const compress = promisify(gzip)

/** Makes a file to be sent, compressed once. */
export async function storedFile(type: string, content: string | Buffer): Promise<StoredFile> {
  const bytes = Buffer.from(content)
  const smaller = await compress(bytes, { level: constants.Z_BEST_COMPRESSION })
  return { type, bytes, gzip: smaller, etag: `"${hash('sha1', bytes, 'base64url')}"` }
}

/** Sends a file, or 304 if the client has it. `vary` names the headers that choose the file. */
export function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: StoredFile,
  vary = 'Accept-Encoding',
) {
  const { 'if-none-match': held, 'accept-encoding': accepted } = request.headers
  void reply
    .header('etag', file.etag)
    .header('vary', vary)
    .header('cache-control', 'no-cache')
    .header('x-content-type-options', 'nosniff')
  if (held !== undefined && namesTag(held, file.etag)) return reply.code(304).send()
  void reply.header('content-type', file.type)
  // Most clients accept gzip; no other coding is kept.
  if (answerCoding(accepted)?.coding !== undefined && accepted?.includes('gzip'))
    return reply.header('content-encoding', 'gzip').send(file.gzip)
  return reply.send(file.bytes)
}
