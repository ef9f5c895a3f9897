import { Code, type ConnectError } from '@connectrpc/connect'
import { errorToJsonBytes } from '@connectrpc/connect/protocol-connect'
import { RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts'
import { jsonBytes } from '../../rest/answer/encode.ts'
import { setGrpcStatus } from '../../call/grpc-status.ts'
import { statusOf } from '../../call/status.ts'
import { errorBody } from '../../rest/errors.ts'
import { refusal } from '../../call/refusal.ts'
import { clientDeadlineExceeded } from '../../call/timeout.ts'
import { failureOf, type Failure } from '../exchange/failure.ts'
import type { Answer } from '../listener/arrival.ts'
import { protocolOf } from '../exchange/protocol.ts'

/** Why a call never begins. */
export interface TurnedAway {
  /** The failure for log, traces and metrics. */
  failure: Failure
  /** Its answer on the REST port. */
  rest: Answer
  /** Its answer on the RPC port, in the protocol of the content type. */
  rpc: (contentType: string) => Answer
}

const retryAfterSeconds = 1
const retryAfter = { 'retry-after': `${retryAfterSeconds}` }

const retryInfo = {
  desc: RetryInfoSchema,
  value: { retryDelay: { seconds: BigInt(retryAfterSeconds) } },
}

const overload = refusal(
  Code.ResourceExhausted,
  'OVERLOADED',
  'the server works on as many calls as it can take; try again later',
  { status: 503 },
)
overload.details.push(retryInfo)

/** More calls have come than can be served. */
export const overloaded = turnedAway(overload, retryAfter)

/** The refusal of a stream above a limit of streams. */
export const streamsOverloaded = refusal(
  Code.ResourceExhausted,
  'OVERLOADED',
  'the server, or the address of this client, has as many streams as it may have; try again later',
  { status: 503 },
)
streamsOverloaded.details.push(retryInfo)

const tooBusy = refusal(
  Code.ResourceExhausted,
  'RATELIMIT',
  'the server is too busy for a call of this priority; try again later',
)
tooBusy.details.push(retryInfo)

/** The process is busy, and has more calls than it can serve at once. */
export const busy = turnedAway(tooBusy, retryAfter)

/** The time that its client gives the call was over before it could begin. */
export const expired = turnedAway(clientDeadlineExceeded())

/** The REST port's answer to a connection above its limit, as bytes of HTTP/1.1. */
export const overflowRest = rawAnswer(overloaded.rest)
/** The RPC port's answer to a connection above its limit, as bytes of HTTP/1.1. */
export const overflowRpc = rawAnswer(overloaded.rpc('application/json'))

/**
 * Makes the answers in all protocols in advance. Past capacity there are as many refusals as calls
 * served, so the cost of a refusal reduces the calls served.
 */
function turnedAway(error: ConnectError, headers: Record<string, string> = {}): TurnedAway {
  const status = statusOf(error)
  const restBody = jsonBytes(errorBody(error, (field) => field)).toString()
  const connectBody = Buffer.from(errorToJsonBytes(error, undefined)).toString()
  const connect = jsonAnswer(status, headers, connectBody)
  const trailers = new Headers()
  setGrpcStatus(trailers, error)
  const grpcHeaders = { ...headers, ...Object.fromEntries(trailers) }
  return {
    // No cause: there is nothing for the log to explain.
    failure: { ...failureOf(error), status, cause: undefined },
    rest: jsonAnswer(status, headers, restBody),
    rpc(contentType) {
      if (protocolOf(contentType) === 'connect') return connect
      // Without a body the headers end the stream, as gRPC's Trailers-Only must.
      return { status: 200, headers: { ...grpcHeaders, 'content-type': contentType } }
    },
  }
}

function jsonAnswer(status: number, headers: Record<string, string>, body: string): Answer {
  const own = {
    ...headers,
    'content-type': 'application/json',
    'content-length': `${Buffer.byteLength(body)}`,
  }
  return { status, headers: own, body }
}

function rawAnswer({ body = '' }: Answer): Buffer {
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
