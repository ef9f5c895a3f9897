import type { Compression } from '@connectrpc/connect/protocol'
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node'

/** The compressions of the RPC port, the preferred one first. */
export const compressions: Compression[] = [compressionGzip, compressionBrotli]
