import {
  compressedFlag,
  type Compression,
  encodeEnvelope,
  type UniversalServerResponse,
} from '@connectrpc/connect/protocol'
import { trailerFlag, trailerParse, trailerSerialize } from '@connectrpc/connect/protocol-grpc-web'
import { withPlainMessage } from '../../call/grpc-status.ts'
import { compressions } from './compressions.ts'

// Trailers are made by this service and stay far below this.
const maxTrailerBytes = 2 ** 24

/** Rewrites grpc-message (see withPlainMessage) in gRPC's trailers and in gRPC-Web's last envelope. */
export function withPlainMessages(response: UniversalServerResponse): UniversalServerResponse {
  const { header, body, trailer } = response
  const type = header?.get('content-type') ?? ''
  if (!body || !type.startsWith('application/grpc')) return response
  const encoding = header?.get('grpc-encoding')
  const compression = compressions.find(({ name }) => name === encoding)
  return { ...response, body: plainBody(body, compression, trailer) }
}

async function* plainBody(
  chunks: AsyncIterable<Uint8Array>,
  compression: Compression | undefined,
  trailer: Headers | undefined,
) {
  // Connect writes each envelope as one chunk.
  for await (const chunk of chunks) {
    const [flags = 0] = chunk
    yield flags & trailerFlag ? plainTrailers(await trailersOf(chunk, compression)) : chunk
  }
  if (trailer) withPlainMessage(trailer)
}

async function trailersOf(
  envelope: Uint8Array,
  compression: Compression | undefined,
): Promise<Uint8Array> {
  const [flags = 0] = envelope
  const bytes = envelope.subarray(5)
  return flags & compressedFlag && compression
    ? compression.decompress(bytes, maxTrailerBytes)
    : bytes
}

function plainTrailers(bytes: Uint8Array): Uint8Array {
  return encodeEnvelope(trailerFlag, trailerSerialize(withPlainMessage(trailerParse(bytes))))
}
