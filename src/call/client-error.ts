import type { Socket } from 'node:net'
import { Code, type ConnectError } from '@connectrpc/connect'
import { refusal } from './refusal.ts'

/** The refusal for an error code of node:http; undefined if the client has gone. */
export function clientError(code: string): ConnectError | undefined {
  switch (code) {
    case 'ECONNRESET':
    case 'EPIPE':
    // The client has ended its side in the middle of a request.
    case 'HPE_INVALID_EOF_STATE':
      return undefined
    case 'HPE_HEADER_OVERFLOW':
      return refusal(Code.ResourceExhausted, 'HEADERS_TOO_LARGE', 'the headers are too large', {
        status: 431,
      })
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refusal(
        Code.DeadlineExceeded,
        'REQUEST_TIMEOUT',
        'the request did not arrive in time',
        { status: 408 },
      )
    default:
      return refusal(
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
