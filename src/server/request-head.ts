import { Code, type ConnectError } from '@connectrpc/connect'
import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import { methodNotAllowed, routeNotFound } from '../rest/errors.ts'
import { refusal } from '../call/refusal.ts'
import { statusOf } from '../call/status.ts'

/**
 * Fastify hook that refuses a request by its head: HTTP/1.1 without Host, several or a malformed
 * one (RFC 9112, 3.2), a version of HTTP or a transfer coding that is not served (RFC 9110, 15.6.6;
 * RFC 9112, 6.1), an unknown expectation (RFC 9110, 10.1.1), CONNECT, and a path without a route.
 * It answers `OPTIONS *`, which asks about the server and not about a path (RFC 9110, 9.3.7). It runs
 * before the body is read, so the refusal does not depend on the body. `elsewhere` says where a path
 * without a route is served.
 */
export function refuseByHead(elsewhere: (path: string) => string): onRequestHookHandler {
  return function refuse(request, reply, next) {
    const refused = refusalOf(request, elsewhere)
    // Without chunked as its last transfer coding a body has no end but that of the connection.
    if (refused !== undefined && statusOf(refused) === 501) void reply.header('connection', 'close')
    const asksServer = request.method === 'OPTIONS' && request.url === '*'
    // 404 is what the path * would be.
    if (asksServer && (refused === undefined || statusOf(refused) === 404))
      void reply.code(204).send()
    else next(refused)
  }
}

function refusalOf(
  { raw, headers, method, url, is404 }: FastifyRequest,
  elsewhere: (path: string) => string,
): ConnectError | undefined {
  const host = hostRefusal(raw)
  if (host !== undefined) return malformed(host)
  if (raw.httpVersion === '2.0' && !('stream' in raw))
    return malformed('HTTP/2 has another form on the wire than this request', 505)
  const { 'transfer-encoding': coding = 'chunked' } = headers
  if (coding.trim().toLowerCase() !== 'chunked')
    return malformed('the only transfer coding that is known is chunked', 501)
  if (
    raw.httpVersion === '1.0' &&
    /^application\/grpc(?!-web)/i.test(headers['content-type'] ?? '')
  )
    return malformed('gRPC ends with trailers, which HTTP/1.0 does not have', 505)
  const { expect } = headers
  if (expect !== undefined && expect.toLowerCase() !== '100-continue')
    return malformed(`the expectation ${expect} is not known; 100-continue is`, 417)
  if (method === 'CONNECT') return methodNotAllowed(method, '')
  const [path = ''] = url.split('?', 1)
  // Fastify's router takes `*` for `/`.
  return is404 || path === '*' ? routeNotFound(method, path, elsewhere(path)) : undefined
}

// The characters of a host (RFC 3986, 3.2.2) and its port, in any order. Values that name no host
// pass, too, such as a bare IPv6 address, a zone or a port beyond 65535: nothing is looked up by it.
const hostCharacters = /^[\w.~!$&'()*+,;=:%[\]-]*$/

/** The problem of Host or `:authority`. An empty value is legal, and HTTP/2 may have neither. */
function hostRefusal({
  httpVersion,
  headers,
  rawHeaders,
}: FastifyRequest['raw']): string | undefined {
  const { host, ':authority': authority } = headers
  if (host === undefined && httpVersion === '1.1')
    return 'a request of HTTP/1.1 must have a Host header'
  if (host !== undefined && isRepeated(rawHeaders, 'host'))
    return 'a request must not have more than one Host header'
  return hostCharacters.test(`${host ?? ''}${String(authority ?? '')}`)
    ? undefined
    : "Host may have letters, digits and the characters -._~!$&'()*+,;=:%[] only"
}

/** Reads the raw headers, since node keeps only the first of several in `headers`. */
function isRepeated(rawHeaders: readonly string[], name: string): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const each = rawHeaders[at] ?? ''
    if (each.length === name.length && each.toLowerCase() === name) count += 1
  }
  return count > 1
}

function malformed(message: string, status?: number): ConnectError {
  return refusal(Code.InvalidArgument, 'MALFORMED_REQUEST', message, {
    ...(status && { status }),
  })
}
