import type { ConnectError } from '@connectrpc/connect'
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc'

const messageField = 'grpc-message'
// Of RFC 3986, 2.1, for bytes that are no printable ASCII, and for the percent sign itself.
const escapedBytes = /[^\x20-\x24\x26-\x7e]+/gu

/** Sets gRPC's status fields in headers or trailers: those of `error`, or of a success without one. */
export function setGrpcStatus(target: Headers, error?: ConnectError): Headers {
  setTrailerStatus(target, error)
  return withPlainMessage(target)
}

/**
 * Rewrites grpc-message with percent escapes for characters outside of printable ASCII only, as gRPC
 * specifies. Connect 2.2.0 escapes as for a URL, and many clients show those escapes.
 */
export function withPlainMessage(target: Headers): Headers {
  const escaped = target.get(messageField)
  if (escaped !== null) target.set(messageField, grpcMessage(decodeURIComponent(escaped)))
  return target
}

function grpcMessage(text: string): string {
  return text.toWellFormed().replace(escapedBytes, encodeURIComponent)
}
