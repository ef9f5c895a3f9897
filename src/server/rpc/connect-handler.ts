import { Code, ConnectError, createContextKey, type HandlerContext } from '@connectrpc/connect'
import type { Registry } from '@bufbuild/protobuf'
import {
  createAsyncIterable,
  type UniversalHandler,
  type UniversalServerRequest,
  type UniversalServerResponse,
} from '@connectrpc/connect/protocol'
import { errorToJsonBytes } from '@connectrpc/connect/protocol-connect'
import { setGrpcStatus } from '../../call/grpc-status.ts'
import { methodNotAllowed, unsupportedMediaType } from '../../rest/errors.ts'
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts'
import { attachment } from '../../memory/attachment.ts'
import { type Reason, refusal } from '../../call/refusal.ts'
import { failureOf } from '../exchange/failure.ts'
import { declaresTooMuch } from './declared-length.ts'
import { decodedRequest } from './grpc-web-text.ts'
import { messageReader } from './message-reader.ts'
import { readableRequest } from './readable-request.ts'
import { clientGone, type Exchange, exchangeKey } from '../exchange/exchange.ts'
import { type Protocol, protocolOf } from '../exchange/protocol.ts'
import { timeoutMs } from '../../call/timeout.ts'
import { boundTimeout } from './long-timeout.ts'
import { hasOneMessage, leavable } from './unread-body.ts'

const refusalKey = createContextKey<ConnectError | undefined>(undefined)
const contexts = attachment<Exchange, HandlerContext>('context')

/**
 * Connect calls this before it reads a body. It keeps the context, whose signal has the reason of an
 * early failure, and throws the refusal that `observedHandler` wants to be written.
 */
export function requestGate(context: HandlerContext): void {
  const refused = context.values.get(refusalKey)
  if (refused) throw refused
  const exchange = context.values.get(exchangeKey)
  if (exchange) contexts.attach(exchange, context)
}

/**
 * Tells the exchange its operation and protocol, and gives early failures their details: what Connect
 * refuses before any interceptor runs (a body that is malformed, too large, of the wrong type) comes
 * out bare, so the handler runs once more, without a body, to write the refusal in its own protocol.
 */
export function observedHandler(
  handler: UniversalHandler,
  maxBytes: number,
  types: Registry | undefined,
): UniversalHandler {
  const reading = { reader: messageReader(handler.method.input, types), maxBytes }
  async function observed(request: UniversalServerRequest): Promise<UniversalServerResponse> {
    const exchange = request.contextValues?.get(exchangeKey)
    if (!exchange || !request.contextValues) return handler(request)
    exchange.operation = `/${handler.service.typeName}/${handler.method.name}`
    exchange.protocol = protocolOf(request.header.get('content-type') ?? '')
    boundTimeout(request.header)
    const isTooLarge = declaresTooLarge(handler, request, maxBytes)
    const { request: sent, held } = leavable(request, handler)
    const whole = decodedRequest(sent)
    if (isTooLarge) return held(await refused(handler, request, exchange, tooLarge(maxBytes)))
    const readable = await readableRequest(whole, reading).catch((err: unknown) =>
      ConnectError.from(err),
    )
    if (readable instanceof ConnectError)
      return refused(handler, request, exchange, inOurWords(readable, maxBytes))
    const response = await handler(readable)
    // The message of a unary call was read to its end before.
    if (exchange.intercepted)
      return handler.method.methodKind === 'unary' ? response : held(response)
    if (!response.body) return refusedByHttp(handler, request, response, exchange)
    if (request.signal.aborted || exchange.abandoned()) {
      exchange.failure = clientGone
      return response
    }
    const reason: unknown = contexts.of(exchange)?.signal.reason
    return held(await refused(handler, request, exchange, inOurWords(reason, maxBytes)))
  }
  return Object.assign(observed, { ...handler })
}

/** Has a refusal written by the handler, which reads nothing then. */
async function refused(
  handler: UniversalHandler,
  request: UniversalServerRequest,
  exchange: Exchange,
  reason: unknown,
): Promise<UniversalServerResponse> {
  const error = earlyError(reason, exchange.protocol, request.header)
  // The client's mistake, whatever its code: nothing for the log to explain.
  exchange.failure = { ...failureOf(error), cause: undefined }
  const contextValues = request.contextValues?.set(refusalKey, error)
  const response = await handler({
    ...request,
    body: noBytes(),
    ...(contextValues && { contextValues }),
  })
  // Connect lists the compressions that are known, in the header of the protocol.
  const { metadata } = ConnectError.from(reason)
  metadata.forEach((value, name) => {
    if (name.endsWith('accept-encoding')) response.header?.set(name, value)
  })
  // The rest of the body would be read to its end, which may never come.
  if (error.code === Code.ResourceExhausted && request.httpVersion.startsWith('1'))
    response.header?.set('connection', 'close')
  return response
}

/** Refused by its head, so that a client which waits for leave to send its body need not send it. */
function declaresTooLarge(
  handler: UniversalHandler,
  { method, header }: UniversalServerRequest,
  maxBytes: number,
): boolean {
  const type = header.get('content-type') ?? ''
  // Of what is no call HTTP itself says so.
  if (!handler.allowedMethods.includes(method) || !handler.supportedContentType(type)) return false
  return (
    hasOneMessage(handler.method) && declaresTooMuch(type, header.get('content-length'), maxBytes)
  )
}

function tooLarge(maxBytes: number): ConnectError {
  const message = `the message is larger than ${maxBytes} bytes, the most that is accepted`
  return refusal(Code.ResourceExhausted, 'BODY_TOO_LARGE', message)
}

/** Connect names an option of its own where a message is too large. */
function inOurWords(reason: unknown, maxBytes: number): unknown {
  const { code } = ConnectError.from(reason, Code.Internal)
  return code === Code.ResourceExhausted ? tooLarge(maxBytes) : reason
}

const earlyReasons: Partial<Record<Code, Reason>> = {
  [Code.InvalidArgument]: 'MALFORMED_BODY',
  // An unknown compression, or not exactly one message.
  [Code.Unimplemented]: 'MALFORMED_REQUEST',
  [Code.Canceled]: 'CANCELED',
  [Code.Aborted]: 'CANCELED',
  // The client's deadline was over before its message had come.
  [Code.DeadlineExceeded]: 'DEADLINE_EXCEEDED',
  // Nothing of ours has run, so bytes that cannot be decompressed are what is left.
  [Code.Internal]: 'MALFORMED_BODY',
}

function earlyError(reason: unknown, protocol: Protocol, header: Headers): ConnectError {
  const error = ConnectError.from(reason, Code.Internal)
  // A refusal of ours says all there is to say.
  if (error.findDetails(ErrorInfoSchema).length > 0) return error
  if (hasBadTimeout(header)) return refusal(error.code, 'MALFORMED_REQUEST', error.rawMessage)
  // Connect answers 500 to bytes that are not gzip; gRPC's own implementations do too, and say so.
  const badBytes = error.code === Code.Internal && protocol === 'connect'
  const code = badBytes ? Code.InvalidArgument : error.code
  return refusal(code, earlyReasons[error.code] ?? 'INTERNAL', error.rawMessage)
}

/** Connect looks at the timeout before it reads a body. */
function hasBadTimeout(header: Headers): boolean {
  const headers = Object.fromEntries(header)
  return (
    timeoutMs('connect-timeout-ms', headers) === null || timeoutMs('grpc-timeout', headers) === null
  )
}

/** HTTP itself refuses: Connect answers a bare 405, 415 or 505; RFC 9110 wants Allow and Accept-Post. */
function refusedByHttp(
  { allowedMethods }: UniversalHandler,
  request: UniversalServerRequest,
  response: UniversalServerResponse,
  exchange: Exchange,
): UniversalServerResponse {
  const { status } = response
  const error = httpError(status, request, allowedMethods.toSorted().join(', '))
  exchange.failure = { ...failureOf(error), status, cause: undefined }
  const header = new Headers(response.header)
  error.metadata.forEach((value, name) => header.set(name, value))
  if (status === 415 && exchange.protocol !== 'connect') {
    // Clients of gRPC make UNKNOWN of a status of HTTP.
    header.set('content-type', `application/${exchange.protocol}`)
    return { status: 200, header: setGrpcStatus(header, error) }
  }
  header.set('content-type', 'application/json')
  return { ...response, header, body: createAsyncIterable([errorToJsonBytes(error, undefined)]) }
}

function httpError(
  status: number,
  { method, header }: UniversalServerRequest,
  allow: string,
): ConnectError {
  if (status === 405) return methodNotAllowed(method, allow)
  if (status === 415) return unsupportedMediaType(header.get('content-type') ?? '', rpcTypes)
  return refusal(Code.Unimplemented, 'MALFORMED_REQUEST', `HTTP ${status}`, { status })
}

const acceptPost =
  'application/json, application/proto, application/grpc, application/grpc+proto, application/grpc+json, application/grpc-web, application/grpc-web+proto, application/grpc-web+json, application/grpc-web-text, application/grpc-web-text+proto'

/** The content types of all calls. */
export const rpcTypes = { header: 'Accept-Post', list: acceptPost } as const

async function* noBytes(): AsyncGenerator<Uint8Array> {}
