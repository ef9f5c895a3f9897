import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { Coding } from '../codings.ts'

/**
 * Up to this many bytes the event loop compresses an answer by itself, in at most 0.2 ms: to hand it to
 * the thread pool and to take it back costs as much CPU time again, with zstd twenty times as much
 * (docs/performance.md).
 */
export const maxInlineBytes = 16_384

// The default of 11 is meant for files, which are compressed once and served often.
const brotliOptions = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }

const inline: Record<Coding, (text: string) => Buffer> = {
  zstd: (text) => zlib.zstdCompressSync(text),
  br: (text) => zlib.brotliCompressSync(text, brotliOptions),
  gzip: (text) => zlib.gzipSync(text),
}

const brotli = promisify<string, zlib.BrotliOptions, Buffer>(zlib.brotliCompress)

const onThread: Record<Coding, (text: string) => Promise<Buffer>> = {
  zstd: promisify<string, Buffer>(zlib.zstdCompress),
  br: (text) => brotli(text, brotliOptions),
  gzip: promisify<string, Buffer>(zlib.gzip),
}

/** Compresses the text of an answer: a short one at once, a long one on node's thread pool. */
export async function compressed(text: string, coding: Coding): Promise<Buffer> {
  return text.length <= maxInlineBytes ? inline[coding](text) : onThread[coding](text)
}
