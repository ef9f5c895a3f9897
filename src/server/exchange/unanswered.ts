import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { Code } from '@connectrpc/connect'
import type { Failure } from './failure.ts'

/** The client went away before its answer was complete; 499 as nginx logs it. */
export const clientGone: Failure = { status: 499, reason: 'CANCELED', code: Code.Canceled }
/** The service stopped before the answer was complete; the client is not told. */
const cutByStop: Failure = { status: 503, reason: 'SHUTTING_DOWN', code: Code.Unavailable }
/** The client broke the protocol of HTTP/2; the connection ends with GOAWAY. */
export const malformedFrames: Failure = { status: 400, reason: 'MALFORMED_REQUEST' }

/** Tells why the calls of a port have no whole answer, where the port has not ended them itself. */
export function unansweredCalls() {
  let cause = clientGone
  return {
    cause: (): Failure => cause,
    /** The cause for a request that has begun. */
    causeOf: (request: IncomingMessage | Http2ServerRequest): Failure =>
      isBroken(request) ? malformedFrames : cause,
    /** To be called where the service, as it stops, ends all connections that are left. */
    cutOff: (): void => {
      cause = cutByStop
    },
  }
}

/** Whether its client broke HTTP/2. A session that fails passes its error on to its streams. */
function isBroken(request: IncomingMessage | Http2ServerRequest): boolean {
  const error = 'stream' in request ? request.stream.errored : null
  return error !== null && 'code' in error && error.code === 'ERR_HTTP2_ERROR'
}
