/**
 * The protocol of an exchange in log, trace and metrics; `http` if the request reached none of
 * them.
 */
export type Protocol = 'rest' | 'connect' | 'grpc' | 'grpc-web' | 'http'

/**
 * The RPC protocol of a request by its content type. A Connect GET has none, so all others are
 * Connect.
 */
export function protocolOf(contentType: string): Protocol {
  if (/^application\/grpc-web/i.test(contentType)) return 'grpc-web'
  return /^application\/grpc/i.test(contentType) ? 'grpc' : 'connect'
}
