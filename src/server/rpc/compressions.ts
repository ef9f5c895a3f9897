import { gzipSync } from 'node:zlib'
import type { Compression } from '@connectrpc/connect/protocol'
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node'
import { maxInlineBytes } from '../../rest/answer/compress.ts'

const gzip: Compression = {
  ...compressionGzip,
  compress: async (bytes) =>
    bytes.byteLength <= maxInlineBytes ? gzipSync(bytes) : compressionGzip.compress(bytes),
}

/** The compressions of the RPC port, the preferred one first. */
export const compressions: Compression[] = [gzip, compressionBrotli]
