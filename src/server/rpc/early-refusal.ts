import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { JsonWriteOptions } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import {
  compressionNegotiate,
  createAsyncIterable,
  encodeEnvelope,
  type UniversalServerRequest,
  type UniversalServerResponse,
} from '@connectrpc/connect/protocol'
import { createEndStreamSerialization, endStreamFlag } from '@connectrpc/connect/protocol-connect'
import { type Reason, refusal } from '../../call/refusal.ts'
import { timeoutMs, timeoutRule } from '../../call/timeout.ts'
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { failureOf } from '../exchange/failure.ts'
import { type Protocol, protocolOf } from '../exchange/protocol.ts'
import { compressions } from './compressions.ts'
import { type UnaryProtocol, unaryProtocols } from './unary-protocols.ts'

type Refusing = Pick<UnaryProtocol, 'codingOf' | 'failure'>

/**
 * Makes the function that answers a call which Connect refuses before any interceptor runs. The answer
 * is in the protocol of the call and has the details that Connect leaves out there. `json` has the
 * options for writing details.
 */
export function earlyRefusals(json: Partial<JsonWriteOptions> | undefined) {
  const protocols = new Map<string, Refusing>(unaryProtocols(json))
  for (const type of ['application/connect+json', 'application/connect+proto'])
    protocols.set(type, connectStream(type, json))

  return async function refused(
    request: UniversalServerRequest,
    exchange: Exchange,
    reason: unknown,
  ): Promise<UniversalServerResponse> {
    const headers = Object.fromEntries(request.header)
    const error = earlyError(reason, exchange.protocol, headers)
    // A mistake of the client, whatever the code: the log needs no cause.
    exchange.failure = { ...failureOf(error), cause: undefined }
    // A GET has no body, whatever its content type says.
    const type = request.method === 'GET' ? 'application/json' : headers['content-type']
    const [name = ''] = (type ?? '').toLowerCase().split(';')
    const protocol = protocols.get(name.trim())
    if (!protocol) throw error
    const set = { answerHeaders: headersOf(reason, error, request), answerTrailers: undefined }
    const answer = await protocol.failure(set, error, protocol.codingOf(headers))
    return {
      status: answer.status,
      header: asHeaders(answer.headers),
      body: createAsyncIterable(answer.body ? [answer.body] : []),
      ...(answer.trailers && { trailer: asHeaders(answer.trailers) }),
    }
  }
}

/** Connect's streams, whose last envelope has the error. */
function connectStream(type: string, json: Partial<JsonWriteOptions> | undefined): Refusing {
  const lastEnvelope = createEndStreamSerialization(json)
  return {
    codingOf: () => undefined,
    async failure({ answerHeaders }, error) {
      const headers = { ...Object.fromEntries(answerHeaders ?? []), 'content-type': type }
      const end = lastEnvelope.serialize({ error, metadata: new Headers() })
      return { status: 200, headers, body: encodeEnvelope(endStreamFlag, end) }
    },
  }
}

function headersOf(
  reason: unknown,
  { code }: ConnectError,
  { httpVersion }: UniversalServerRequest,
): Headers {
  const headers = new Headers()
  // Connect lists the compressions that are known, in the header of the protocol.
  ConnectError.from(reason).metadata.forEach((value, name) => {
    if (name.endsWith('accept-encoding')) headers.set(name, value)
  })
  // A kept connection would first read the body to its end, which may never come.
  const mayHaveMore = code === Code.ResourceExhausted || code === Code.DeadlineExceeded
  if (mayHaveMore && httpVersion.startsWith('1')) headers.set('connection', 'close')
  return headers
}

function asHeaders(fields: OutgoingHttpHeaders): Headers {
  return new Headers(Object.entries(fields).map(([name, value]) => [name, String(value)]))
}

const earlyReasons: Partial<Record<Code, Reason>> = {
  [Code.InvalidArgument]: 'MALFORMED_BODY',
  // An unknown compression, or not exactly one message.
  [Code.Unimplemented]: 'MALFORMED_REQUEST',
  [Code.Canceled]: 'CANCELED',
  [Code.Aborted]: 'CANCELED',
  // The client's deadline was over before its message had come.
  [Code.DeadlineExceeded]: 'DEADLINE_EXCEEDED',
  // No handler has run, so the cause is a body that cannot be decompressed.
  [Code.Internal]: 'MALFORMED_BODY',
}

function earlyError(
  reason: unknown,
  protocol: Protocol,
  headers: IncomingHttpHeaders,
): ConnectError {
  const error = ConnectError.from(reason, Code.Internal)
  // A refusal of this service has its details.
  if (error.findDetails(ErrorInfoSchema).length > 0) return error
  const timeout = timeoutRefusal(headers)
  if (timeout !== undefined) return timeout
  // Connect answers 500 to bytes that are not gzip; gRPC's own implementations do too, and say so.
  const badBytes = error.code === Code.Internal && protocol === 'connect'
  const code = badBytes ? Code.InvalidArgument : error.code
  return refusal(code, earlyReasons[error.code] ?? 'INTERNAL', error.rawMessage)
}

/** The refusal of a timeout header that is not of its form. */
export function timeoutRefusal(headers: IncomingHttpHeaders): ConnectError | undefined {
  const name = (['connect-timeout-ms', 'grpc-timeout'] as const).find(
    (each) => timeoutMs(each, headers) === null,
  )
  if (name === undefined) return undefined
  return refusal(Code.InvalidArgument, 'MALFORMED_REQUEST', `${name} ${timeoutRule(name)}`)
}

/** The refusal of a stream in a compression that is not known, with the list of those that are. */
export function compressionRefusal(header: Headers): ConnectError | undefined {
  const isConnect = protocolOf(header.get('content-type') ?? '') === 'connect'
  const [sent, taken] = isConnect
    ? (['connect-content-encoding', 'connect-accept-encoding'] as const)
    : (['grpc-encoding', 'grpc-accept-encoding'] as const)
  const { error } = compressionNegotiate(compressions, header.get(sent), null, taken)
  if (error === undefined) return undefined
  const headers = Object.fromEntries(error.metadata)
  return refusal(error.code, 'MALFORMED_REQUEST', error.rawMessage, { status: 400, headers })
}
