import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { gatheredBytes } from '../../call/message/gathered-bytes.ts'
import { type Coding, codings, zstdWindow } from '../codings.ts'
import { decoded, isWhole, limited, notInCoding } from '../decoded.ts'
import { bodyTooLarge, unsupportedEncoding } from '../errors.ts'

type Decompress = (
  bytes: Uint8Array,
  options: { maxOutputLength: number; info: true },
) => Promise<Buffer>

/** What node gives for `info`, of which its types say nothing. */
interface Informed {
  buffer: Buffer
  engine: { bytesWritten: number }
}

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
    const result: unknown = await decompressors[coding](bytes, {
      maxOutputLength: limit,
      info: true,
    })
    const { buffer, engine } = result as Informed
    if (isWhole(coding, engine, bytes.byteLength)) return buffer
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE')
      throw bodyTooLarge(limit)
    throw notInCoding(coding, cause)
  }
  const whole = gatheredBytes()
  for await (const part of limited(decoded(Readable.from([bytes]), coding), limit)) whole.add(part)
  return whole.bytes()
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
