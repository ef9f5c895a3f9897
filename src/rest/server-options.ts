import type { Socket } from 'node:net'
import { Code, type ConnectError } from '@connectrpc/connect'
import type { FastifyServerOptions } from 'fastify'
import { jsonBytes } from './answer/encode.ts'
import { errorBody, restError, restRefusal, type RestRefusal } from './errors.ts'
import { sendError } from './answer/answer.ts'
import type { RestObserver } from './options.ts'

interface SocketObserver {
  /** A connection is refused, before there was a request or in the middle of one. */
  refused(socket: Socket, error: ConnectError, status: number, reason: string): void
}

/**
 * Options for the Fastify instance that the plugin is registered on, so that what Fastify and
 * node:http refuse before any route has the one error body too.
 */
export function restServerOptions(
  observer?: RestObserver & SocketObserver,
): Pick<
  FastifyServerOptions,
  'frameworkErrors' | 'clientErrorHandler' | 'routerOptions' | 'rewriteUrl'
> {
  return {
    // The plugin matches by itself; Fastify's router must not refuse a long path before it.
    routerOptions: { maxParamLength: 1024 * 1024 },
    rewriteUrl: ({ url = '/' }) => originForm(url),
    frameworkErrors: (err, request, reply) => {
      sendError(reply, request, restError(err), observer)
    },
    clientErrorHandler: (err, socket) => {
      const error = clientError(err.code)
      if (error === undefined || !socket.writable) return void socket.destroy()
      const body = errorBody(error, (field) => field)
      observer?.refused(socket, error, body.code, body.reason)
      writeRefusal(socket, body.code, jsonBytes(body))
    },
  }
}

/** A request target as proxies get it, `http://host/path`, is served as its path (RFC 9112, 3.2.2). */
export function originForm(url: string): string {
  if (url.startsWith('/')) return url
  const [absolute = ''] = /^https?:\/\/[^/?#]*/i.exec(url) ?? []
  if (absolute === '') return url
  const path = url.slice(absolute.length)
  return path.startsWith('/') ? path : `/${path}`
}

/** What a connection is told by node:http's error code; undefined when nobody is left to tell. */
export function clientError(code: string): RestRefusal | undefined {
  switch (code) {
    case 'ECONNRESET':
    case 'EPIPE':
    // The client has ended its side in the middle of a request.
    case 'HPE_INVALID_EOF_STATE':
      return undefined
    case 'HPE_HEADER_OVERFLOW':
      return restRefusal(Code.ResourceExhausted, 'HEADERS_TOO_LARGE', 'the headers are too large', {
        status: 431,
      })
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return restRefusal(
        Code.DeadlineExceeded,
        'REQUEST_TIMEOUT',
        'the request did not arrive in time',
        { status: 408 },
      )
    default:
      return restRefusal(
        Code.InvalidArgument,
        'MALFORMED_REQUEST',
        'this is not a request of HTTP/1.1 that the server accepts',
      )
  }
}

const reasonPhrases: Record<number, string> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
}

/** Writes an answer where there is no response object, and closes the connection. */
export function writeRefusal(socket: Socket, status: number, body: Buffer): void {
  const head = [
    `HTTP/1.1 ${status} ${reasonPhrases[status] ?? 'Error'}`,
    'Content-Type: application/json',
    `Content-Length: ${body.byteLength}`,
    'Connection: close',
    '',
    '',
  ]
  socket.end(Buffer.concat([Buffer.from(head.join('\r\n')), body]))
}
