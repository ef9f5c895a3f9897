import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { Coding } from '../codings.ts'

type Compress = (text: string) => Promise<Buffer>

const brotli = promisify<string, zlib.BrotliOptions, Buffer>(zlib.brotliCompress)
// The default of 11 is meant for files, which are compressed once and served often.
const brotliOptions = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }

/**
 * Up to this many characters zstd holds the event loop for less than 0.1 ms. On the thread pool it takes
 * 0.7 ms of CPU time for any text (docs/performance.md); gzip and brotli differ little between the two.
 */
const maxInlineZstd = 16_384
const zstd = promisify<string, Buffer>(zlib.zstdCompress)

const compressors: Record<Coding, Compress> = {
  zstd: async (text) => (text.length <= maxInlineZstd ? zlib.zstdCompressSync(text) : zstd(text)),
  br: (text) => brotli(text, brotliOptions),
  gzip: promisify<string, Buffer>(zlib.gzip),
}

/** Compresses the text of an answer. */
export function compressed(text: string, coding: Coding): Promise<Buffer> {
  return compressors[coding](text)
}
