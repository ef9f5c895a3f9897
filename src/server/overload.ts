import { Code } from '@connectrpc/connect'
import { errorToJsonBytes } from '@connectrpc/connect/protocol-connect'
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc'
import { RetryInfoSchema } from '../gen/google/rpc/error_details_pb.ts'
import { jsonBytes } from '../rest/encode.ts'
import { errorBody, restRefusal } from '../rest/errors.ts'
import type { Answer } from './connections.ts'
import type { Failure } from './exchange.ts'
import { protocolOf } from './rpc-handler.ts'

const retryAfterSeconds = 1

// Everything is made once: past capacity there is a refusal for each call that is served, so what a
// refusal costs is missing there.
const error = restRefusal(
  Code.ResourceExhausted,
  'OVERLOADED',
  'the server works on as many calls as it can take; try again later',
  { status: 503 },
)
error.details.push({
  desc: RetryInfoSchema,
  value: { retryDelay: { seconds: BigInt(retryAfterSeconds) } },
})
const restBody = jsonBytes(errorBody(error, (field) => field)).toString()
const connectBody = Buffer.from(errorToJsonBytes(error, undefined)).toString()
const trailers = new Headers()
setTrailerStatus(trailers, error)
const retryAfter = { 'retry-after': `${retryAfterSeconds}` }
const grpcHeaders = { ...retryAfter, ...Object.fromEntries(trailers) }
const connectAnswer = jsonAnswer(connectBody)

/** What the observers are told. */
export const overloaded: Failure = {
  status: 503,
  reason: 'OVERLOADED',
  code: Code.ResourceExhausted,
}

/** Refuses a call of the REST port with 503. */
export const overloadedRest: Answer = jsonAnswer(restBody)

/** Refuses a call of the RPC port with RESOURCE_EXHAUSTED, in the protocol of its content type. */
export function overloadedRpc(contentType: string): Answer {
  if (protocolOf(contentType) === 'connect') return connectAnswer
  // Without a body the headers end the stream, as gRPC's Trailers-Only must.
  return { status: 200, headers: { ...grpcHeaders, 'content-type': contentType } }
}

/** The answers of both ports to a connection that is one too many. */
export const overflowRest = rawAnswer(restBody)
export const overflowRpc = rawAnswer(connectBody)

function jsonAnswer(body: string): Answer {
  const headers = {
    ...retryAfter,
    'content-type': 'application/json',
    'content-length': `${Buffer.byteLength(body)}`,
  }
  return { status: 503, headers, body }
}

function rawAnswer(body: string): Buffer {
  const head = [
    'HTTP/1.1 503 Service Unavailable',
    'Content-Type: application/json',
    `Retry-After: ${retryAfterSeconds}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    '',
  ]
  return Buffer.from(head.join('\r\n') + body)
}
