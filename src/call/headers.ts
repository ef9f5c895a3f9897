import type { IncomingHttpHeaders } from 'node:http'

/**
 * Header fields of the connection and not of the message (RFC 9110, 7.6.1). Over HTTP/2 node cannot
 * write an answer that has one.
 */
export const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Fields that prove who calls, in lower case. */
export const credentialHeaders: ReadonlySet<string> = new Set(['authorization', 'x-api-key'])

/** Fields that describe the body on the wire, which is written after the handler. */
const notFromHandlers = new Set([
  ...hopByHop,
  'content-encoding',
  'content-length',
  'content-type',
  'date',
])

/**
 * The header fields of a request, as its handler may see them. With `alias`, `grpc-metadata-x` is also
 * there as `x`.
 */
export function requestHeaders(received: IncomingHttpHeaders, alias = false): Headers {
  const headers = new Headers()
  const dropped = connectionOptions(received.connection)
  for (const [name, value] of Object.entries(received)) {
    // HTTP/2's pseudo-headers are not header fields.
    if (name.startsWith(':') || value === undefined) continue
    if (hopByHop.has(name) || dropped.includes(name)) continue
    for (const each of Array.isArray(value) ? value : [value]) {
      headers.append(name, each)
      if (alias && name.startsWith(aliasPrefix))
        headers.append(name.slice(aliasPrefix.length), each)
    }
  }
  return headers
}

/** The prefix that grpc-gateway's clients put before gRPC metadata. */
const aliasPrefix = 'grpc-metadata-'

/** Whether a header or trailer from a handler or an error may be sent. */
export function mayLeave(name: string): boolean {
  return !notFromHandlers.has(name)
}

/** The fields that the Connection header names as hop-by-hop. */
function connectionOptions(connection: string | undefined): string[] {
  if (connection === undefined || connection === 'keep-alive') return []
  return connection.split(',').map((option) => option.trim().toLowerCase())
}

/** Adds names to a Vary header that may be there already. */
export function mergedVary(present: unknown, names: string): string {
  if (typeof present !== 'string' || present === '') return names
  if (present === '*') return present
  const listed = present.split(',').map((name) => name.trim().toLowerCase())
  const missing = names.split(', ').filter((name) => !listed.includes(name.toLowerCase()))
  return [present, ...missing].join(', ')
}
