/** What an exchange speaks, as log, trace and metrics name it; `http` where no protocol was reached. */
export type Protocol = 'rest' | 'connect' | 'grpc' | 'grpc-web' | 'http'

/** The protocol that a request speaks by its content type; a Connect GET has none. */
export function protocolOf(contentType: string): Protocol {
  if (/^application\/grpc-web/i.test(contentType)) return 'grpc-web'
  return /^application\/grpc/i.test(contentType) ? 'grpc' : 'connect'
}
