import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { malformedBody } from '../../call/message/json-message.ts'
import { bodyTooLarge, unsupportedEncoding } from '../errors.ts'
import { type Coding, codings, zstdWindow } from '../codings.ts'

type Decompress = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>

const zstdDecompress = promisify(zlib.zstdDecompress)

const decompressors: Record<Coding, Decompress> = {
  zstd: (bytes, options) => zstdDecompress(bytes, { ...options, ...zstdWindow }),
  br: promisify(zlib.brotliDecompress),
  gzip: promisify(zlib.gunzip),
}

/**
 * Undoes the coding of a body, up to `limit` bytes of result, so that a few bytes cannot fill the
 * memory. Throws BODY_TOO_LARGE, MALFORMED_BODY.
 */
export async function decompressed(
  bytes: Uint8Array,
  coding: Coding | undefined,
  limit: number,
): Promise<Uint8Array> {
  if (coding === undefined) return bytes
  try {
    return await decompressors[coding](bytes, { maxOutputLength: limit })
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE')
      throw bodyTooLarge(limit)
    throw malformedBody(`the body is not ${coding}, as its Content-Encoding says`, { cause })
  }
}

/**
 * The coding of a body by its Content-Encoding; undefined for none. Several on top of one another are
 * not undone. Throws UNSUPPORTED_MEDIA_TYPE.
 */
export function codingOf(contentEncoding: string | undefined): Coding | undefined {
  if (contentEncoding === undefined) return undefined
  const name = contentEncoding.trim().toLowerCase()
  if (name === 'identity' || name === '') return undefined
  const coding = codings.find((each) => name === each || name === `x-${each}`)
  if (coding === undefined) throw unsupportedEncoding(contentEncoding, codings)
  return coding
}
