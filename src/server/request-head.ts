import { Code } from '@connectrpc/connect'
import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import { methodNotAllowed, restRefusal, type RestRefusal, routeNotFound } from '../rest/errors.ts'

/**
 * Refuses by its head what can have no answer: no Host in HTTP/1.1 (RFC 9112, 3.2), an expectation
 * that nobody knows (RFC 9110, 10.1.1), CONNECT, and a path that nobody serves. It runs before the
 * body is looked at, so the answer is the same whatever the body has.
 */
export const refuseByHead: onRequestHookHandler = (request, _reply, next) => {
  next(refusalOf(request))
}

function refusalOf({ raw, headers, method, url, is404 }: FastifyRequest): RestRefusal | undefined {
  if (raw.httpVersion === '1.1' && headers.host === undefined)
    return malformed('a request of HTTP/1.1 must have a Host header')
  const { expect } = headers
  if (expect !== undefined && expect.toLowerCase() !== '100-continue')
    return malformed(`the expectation ${expect} is not known; 100-continue is`, 417)
  if (method === 'CONNECT') return methodNotAllowed(method, '')
  const [path = ''] = url.split('?', 1)
  return is404 ? routeNotFound(method, path) : undefined
}

function malformed(message: string, status?: number): RestRefusal {
  return restRefusal(Code.InvalidArgument, 'MALFORMED_REQUEST', message, {
    ...(status && { status }),
  })
}
