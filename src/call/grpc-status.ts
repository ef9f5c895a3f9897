import type { ConnectError } from '@connectrpc/connect'
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc'

const messageField = 'grpc-message'
// Of RFC 3986, 2.1, for bytes that are no printable ASCII, and for the percent sign itself.
const escapedBytes = /[^\x20-\x24\x26-\x7e]+/gu

/** Sets the fields by which gRPC says the status of a call; a success without an error. */
export function setGrpcStatus(target: Headers, error?: ConnectError): Headers {
  setTrailerStatus(target, error)
  return withPlainMessage(target)
}

/**
 * Writes grpc-message as gRPC has it, with percent escapes for what is no printable ASCII and nothing
 * else. Connect 2.2.0 escapes as for a URL; many clients show that as it stands.
 */
export function withPlainMessage(target: Headers): Headers {
  const escaped = target.get(messageField)
  if (escaped !== null) target.set(messageField, grpcMessage(decodeURIComponent(escaped)))
  return target
}

function grpcMessage(text: string): string {
  return text.toWellFormed().replace(escapedBytes, encodeURIComponent)
}
