import { Code, ConnectError } from '@connectrpc/connect'
import { endStreamFromJson, errorFromJsonBytes } from '@connectrpc/connect/protocol-connect'
import { findTrailerError } from '@connectrpc/connect/protocol-grpc'
import { trailerParse } from '@connectrpc/connect/protocol-grpc-web'
import { statusOf } from '../../../src/call/status.ts'
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'
import type { RawAnswer } from '../raw.ts'
import { type Call, decompressed } from './calls.ts'

/** What a client reads from an answer: the HTTP status and the reason of its error. */
export interface Outcome {
  /** That of the code, which may say less than the service counts, where the protocol answers 200. */
  code: number
  reason: string
  protocol: Call['protocol']
}

/**
 * Reads an answer as a client of its protocol does. Throws for one that is no success with its message
 * and no error with its reason.
 */
export function outcomeOf(call: Call, answer: RawAnswer): Outcome {
  const error = errorOf(call, answer)
  if (error) return error
  const coding = call.form === 'plain' ? answer.headers.get('content-encoding') : null
  const message = call.form === 'plain' ? answer.bytes : firstMessage(answer)
  if (!call.isMessage(decompressed(message, coding)))
    throw new Error(`a success without its message: ${JSON.stringify(message.toString('latin1'))}`)
  return { code: 200, reason: '', protocol: call.protocol }
}

function errorOf(call: Call, answer: RawAnswer): Outcome | undefined {
  const { status, headers } = answer
  if (status !== 200) {
    // Where not even the head can be read, the port takes its first protocol.
    const protocol = status === 400 && call.port === 'rpc' ? 'connect' : call.protocol
    return { code: status, reason: reasonInBody(call, answer), protocol }
  }
  if (call.form === 'plain') return undefined
  const error = headers.has('grpc-status') ? findTrailerError(headers) : lastError(call, answer)
  return error && { code: statusOf(error), reason: reasonOf(error), protocol: call.protocol }
}

/** The error that ends an answer; undefined for a success. */
function lastError({ protocol, form }: Call, { bytes, trailers }: RawAnswer) {
  if (form === 'enveloped') return findTrailerError(ended(trailers))
  const last = envelopes(bytes).at(-1)
  if (last === undefined) throw new Error('there is no last envelope')
  if (protocol === 'connect') return endStreamFromJson(last.data).error
  return findTrailerError(ended(trailerParse(last.data)))
}

function ended(trailers: Headers): Headers {
  if (!trailers.has('grpc-status')) throw new Error('there is no grpc-status')
  return trailers
}

function reasonInBody({ port, protocol }: Call, { status, headers, bytes }: RawAnswer): string {
  const body = decompressed(bytes, headers.get('content-encoding'))
  if (port === 'rest') return (JSON.parse(body.toString()) as { reason: string }).reason
  const unknown = new ConnectError(`HTTP ${status} of ${protocol}`, Code.Unknown)
  return reasonOf(errorFromJsonBytes(body, undefined, unknown))
}

function reasonOf(error: ConnectError): string {
  const [info] = error.findDetails(ErrorInfoSchema)
  if (info === undefined) throw new Error(`an error without a reason: ${error.message}`)
  return info.reason
}

function firstMessage({ bytes, headers }: RawAnswer): Buffer {
  const [first] = envelopes(bytes)
  if (first === undefined) throw new Error('a success without a message')
  const coding = headers.get('grpc-encoding') ?? headers.get('connect-content-encoding')
  return first.flags === 1 ? decompressed(first.data, coding) : first.data
}

function envelopes(bytes: Buffer): { flags: number; data: Buffer }[] {
  const all = []
  for (let at = 0; at < bytes.byteLength;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    if (end > bytes.byteLength) throw new Error('the last envelope is not whole')
    all.push({ flags: bytes.readUInt8(at), data: bytes.subarray(at + 5, end) })
    at = end
  }
  return all
}
