import { ConnectError } from '@connectrpc/connect'
import type { Compression } from '@connectrpc/connect/protocol'
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node'
import { decompressed } from '../../rest/request/decompress.ts'

/** Connect's, which takes a message with anything after its end, refuses that. */
const brotli: Compression = {
  ...compressionBrotli,
  async decompress(bytes, maxBytes) {
    if (bytes.byteLength === 0) return new Uint8Array()
    try {
      return new Uint8Array(await decompressed(bytes, 'br', maxBytes))
    } catch (cause) {
      const { code } = ConnectError.from(cause)
      throw new ConnectError('decompression failed', code, undefined, undefined, cause)
    }
  },
}

/** The compressions of the RPC port, the preferred one first. */
export const compressions: Compression[] = [compressionGzip, brotli]
