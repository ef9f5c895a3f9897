import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { bodyTooLarge, malformedBody, unsupportedEncoding } from '../errors.ts'
import { type Coding, codings } from '../answer/negotiate.ts'

type Compress = (text: string) => Promise<Buffer>
type Decompress = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>

const brotli = promisify<string, zlib.BrotliOptions, Buffer>(zlib.brotliCompress)
// The default of 11 is for files that are compressed once and served for ever.
const brotliOptions = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }

const compressors: Record<Coding, Compress> = {
  zstd: promisify<string, Buffer>(zlib.zstdCompress),
  br: (text) => brotli(text, brotliOptions),
  gzip: promisify<string, Buffer>(zlib.gzip),
}

const decompressors: Record<Coding, Decompress> = {
  zstd: promisify(zlib.zstdDecompress),
  br: promisify(zlib.brotliDecompress),
  gzip: promisify(zlib.gunzip),
}

/** Compresses an answer, on the thread pool. */
export function compressed(text: string, coding: Coding): Promise<Buffer> {
  return compressors[coding](text)
}

/**
 * Undoes the Content-Encoding of a body, up to `limit` bytes of result, so that a few bytes cannot
 * fill the memory. Throws UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE, MALFORMED_BODY.
 */
export async function decompressed(
  bytes: Uint8Array,
  contentEncoding: string | undefined,
  limit: number,
): Promise<Uint8Array> {
  const coding = codingOf(contentEncoding)
  if (coding === undefined) return bytes
  try {
    return await decompressors[coding](bytes, { maxOutputLength: limit })
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE')
      throw bodyTooLarge(limit)
    throw malformedBody(`the body is not ${coding}, as its Content-Encoding says`, { cause })
  }
}

/** The coding of a body; undefined for none. Several on top of one another are not undone. */
function codingOf(contentEncoding: string | undefined): Coding | undefined {
  if (contentEncoding === undefined) return undefined
  const name = contentEncoding.trim().toLowerCase()
  if (name === 'identity' || name === '') return undefined
  const coding = codings.find((each) => name === each || name === `x-${each}`)
  if (coding === undefined) throw unsupportedEncoding(contentEncoding, codings)
  return coding
}
