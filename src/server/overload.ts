import { Code } from '@connectrpc/connect'
import { errorToJsonBytes } from '@connectrpc/connect/protocol-connect'
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc'
import { jsonBytes } from '../rest/encode.ts'
import { errorBody, restRefusal } from '../rest/errors.ts'
import type { Exchange, Request, Response } from './exchange.ts'
import { protocolOf } from './rpc-handler.ts'

// Everything is made once: a refusal that costs as much as a call would be no relief.
const retryAfter = { 'retry-after': '1' }
const error = restRefusal(
  Code.ResourceExhausted,
  'OVERLOADED',
  'the server works on as many calls as it can take; try again later',
  { status: 503 },
)
/** What the observers are told. */
export const overloaded = { status: 503, reason: 'OVERLOADED', code: Code.ResourceExhausted }
const restBody = jsonBytes(errorBody(error, (field) => field))
const connectBody = Buffer.from(errorToJsonBytes(error, undefined))
const trailers = new Headers()
setTrailerStatus(trailers, error)
const grpcHeaders = { ...retryAfter, ...Object.fromEntries(trailers) }

/** The answers of both ports to a connection that is one too many. */
export const overflowRest = rawAnswer(restBody)
export const overflowRpc = rawAnswer(connectBody)

function rawAnswer(body: Buffer): Buffer {
  const head = [
    'HTTP/1.1 503 Service Unavailable',
    'Content-Type: application/json',
    'Retry-After: 1',
    `Content-Length: ${body.byteLength}`,
    'Connection: close',
    '',
    '',
  ]
  return Buffer.concat([Buffer.from(head.join('\r\n')), body])
}

/** Refuses a call of the REST port with 503, before anything of it is read. */
export function overloadedRest(exchange: Exchange, response: Response): void {
  exchange.failure = overloaded
  sendJson(response, restBody)
}

/** Refuses a call of the RPC port with RESOURCE_EXHAUSTED, in its own protocol. */
export function overloadedRpc(exchange: Exchange, request: Request, response: Response): void {
  exchange.failure = overloaded
  const contentType = request.headers['content-type'] ?? ''
  exchange.protocol = protocolOf(contentType)
  if (exchange.protocol === 'connect') sendJson(response, connectBody)
  else send(response, 200, { ...grpcHeaders, 'content-type': contentType })
}

function sendJson(response: Response, body: Buffer): void {
  const headers = {
    ...retryAfter,
    'content-type': 'application/json',
    'content-length': `${body.byteLength}`,
  }
  send(response, 503, headers, body)
}

function send(
  response: Response,
  status: number,
  headers: Record<string, string>,
  body?: Uint8Array,
): void {
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  // Without a body the headers end the stream, as gRPC's Trailers-Only must.
  if (body) response.end(body)
  else response.end()
}
