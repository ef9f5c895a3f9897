import { Code, ConnectError, createContextKey, type HandlerContext } from '@connectrpc/connect'
import type { Registry } from '@bufbuild/protobuf'
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from '@connectrpc/connect/protocol'
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts'
import { attachment } from '../../memory/attachment.ts'
import { type Reason, refusal } from '../../call/refusal.ts'
import { failureOf } from '../exchange/failure.ts'
import { messageReader } from './message-reader.ts'
import { readableRequest } from './readable-request.ts'
import { clientGone, type Exchange, exchangeKey } from '../exchange/exchange.ts'
import { type Protocol, protocolOf } from '../exchange/protocol.ts'
import { timeoutMs } from '../../call/timeout.ts'
import { boundTimeout } from './long-timeout.ts'
import { leavable } from './unread-body.ts'

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
    const { request: whole, held } = leavable(request, handler)
    const readable = await readableRequest(whole, reading).catch((err: unknown) =>
      ConnectError.from(err),
    )
    if (readable instanceof ConnectError) return refused(handler, request, exchange, readable)
    const response = await handler(readable)
    // The message of a unary call was read to its end before.
    if (exchange.intercepted)
      return handler.method.methodKind === 'unary' ? response : held(response)
    if (!response.body) return refusedByHttp(handler, response, exchange)
    if (request.signal.aborted || exchange.abandoned()) {
      exchange.failure = clientGone
      return response
    }
    return held(await refused(handler, request, exchange, contexts.of(exchange)?.signal.reason))
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

const earlyReasons: Partial<Record<Code, Reason>> = {
  [Code.InvalidArgument]: 'MALFORMED_BODY',
  [Code.ResourceExhausted]: 'BODY_TOO_LARGE',
  // An unknown compression, or not exactly one message.
  [Code.Unimplemented]: 'MALFORMED_REQUEST',
  [Code.Canceled]: 'CANCELED',
  [Code.Aborted]: 'CANCELED',
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
  handler: UniversalHandler,
  response: UniversalServerResponse,
  exchange: Exchange,
): UniversalServerResponse {
  const header = new Headers(response.header)
  const { status } = response
  if (status === 405) header.set('Allow', handler.allowedMethods.toSorted().join(', '))
  if (status === 415) header.set('Accept-Post', acceptPost)
  exchange.failure = { status, reason: httpReasons[status] ?? 'MALFORMED_REQUEST' }
  return { ...response, header }
}

const httpReasons: Record<number, Reason> = {
  405: 'METHOD_NOT_ALLOWED',
  415: 'UNSUPPORTED_MEDIA_TYPE',
}

export const acceptPost =
  'application/json, application/proto, application/grpc, application/grpc+proto, application/grpc+json, application/grpc-web, application/grpc-web+proto, application/grpc-web+json'

async function* noBytes(): AsyncGenerator<Uint8Array> {}
