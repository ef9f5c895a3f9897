import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { Coding } from '../codings.ts'

type Compress = (text: string) => Promise<Buffer>

const brotli = promisify<string, zlib.BrotliOptions, Buffer>(zlib.brotliCompress)
// The default of 11 is meant for files, which are compressed once and served often.
const brotliOptions = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }

const compressors: Record<Coding, Compress> = {
  zstd: promisify<string, Buffer>(zlib.zstdCompress),
  br: (text) => brotli(text, brotliOptions),
  gzip: promisify<string, Buffer>(zlib.gzip),
}

/** Compresses the text of an answer on node's thread pool. */
export function compressed(text: string, coding: Coding): Promise<Buffer> {
  return compressors[coding](text)
}
