import type { Registry } from '@bufbuild/protobuf'
import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect'
import {
  createAsyncIterable,
  type UniversalHandler,
  type UniversalServerRequest,
  type UniversalServerResponse,
} from '@connectrpc/connect/protocol'
import { errorToJsonBytes } from '@connectrpc/connect/protocol-connect'
import { setGrpcStatus } from '../../call/grpc-status.ts'
import { operationOf } from '../../call/methods.ts'
import { refusal } from '../../call/refusal.ts'
import { timeoutMs } from '../../call/timeout.ts'
import { attachment } from '../../memory/attachment.ts'
import { methodNotAllowed, unsupportedMediaType } from '../../rest/errors.ts'
import { type Exchange, exchangeKey, isAbandoned } from '../exchange/exchange.ts'
import { failureOf } from '../exchange/failure.ts'
import { type Protocol, protocolOf } from '../exchange/protocol.ts'
import { clientGone } from '../exchange/unanswered.ts'
import { bodyTypes } from './body-types.ts'
import { declaresTooMuch } from './declared-length.ts'
import { compressionRefusal, earlyRefusals, timeoutRefusal } from './early-refusal.ts'
import { decodedRequest } from './grpc-web-text.ts'
import { boundTimeout } from './long-timeout.ts'
import { messageReader } from './message-reader.ts'
import { readableRequest, readingError, tooLarge } from './readable-request.ts'
import { hasOneMessage, leavable } from './unread-body.ts'

const contexts = attachment<Exchange, HandlerContext>('context')

/**
 * Keeps the context of a call, whose signal has the whole error of an early failure; Connect's answer
 * has only the fields of the protocol. Connect calls this before it reads the body.
 */
export function requestGate(context: HandlerContext): void {
  const exchange = context.values.get(exchangeKey)
  if (exchange) contexts.attach(exchange, context)
}

/**
 * Makes the function that wraps each handler of Connect. It writes operation and protocol into the
 * exchange. Calls that Connect refuses before any interceptor runs (a body that is malformed, too large
 * or of the wrong type) get the details that all errors have.
 */
export function observedHandlers(maxBytes: number, types: Registry | undefined) {
  const refused = earlyRefusals(types && { registry: types })

  return function observedHandler(handler: UniversalHandler): UniversalHandler {
    const reader = messageReader(handler.method.input, types)
    const reading = { reader, maxBytes, single: hasOneMessage(handler.method) }
    async function observed(request: UniversalServerRequest): Promise<UniversalServerResponse> {
      const exchange = request.contextValues?.get(exchangeKey)
      if (!exchange) return handler(request)
      exchange.operation = operationOf(handler.method)
      exchange.protocol = protocolOf(request.header.get('content-type') ?? '')
      boundTimeout(request.header)
      const early = refusedByHead(handler, request, maxBytes)
      const { request: sent, held } = leavable(request, handler, deadlineOf(request, exchange))
      const whole = decodedRequest(sent)
      if (early) return held(await refused(request, exchange, early))
      const readable = await readableRequest(whole, reading).catch((err: unknown) =>
        readingError(err, maxBytes),
      )
      if (readable instanceof ConnectError) return refused(request, exchange, readable)
      const response = await handler(readable)
      // The message of a unary call was read to its end before.
      if (exchange.intercepted)
        return handler.method.methodKind === 'unary' ? response : held(response)
      if (!response.body) return refusedByHttp(handler, request, response, exchange)
      if (request.signal.aborted || isAbandoned(exchange)) {
        exchange.failure = clientGone
        return response
      }
      return held(await refused(request, exchange, contexts.of(exchange)?.signal.reason))
    }
    return Object.assign(observed, { ...handler })
  }
}

/** When the message of a call must be there, by performance.now(); undefined if its client does not say. */
function deadlineOf(
  { header }: UniversalServerRequest,
  { protocol }: Exchange,
): number | undefined {
  const name = protocol === 'connect' ? 'connect-timeout-ms' : 'grpc-timeout'
  const ms = timeoutMs(name, Object.fromEntries(header))
  return typeof ms === 'number' ? performance.now() + ms : undefined
}

/**
 * The refusal of a call by its head: of one that is too large, so that a client which waits for leave to
 * send its body need not send it, and of one with a timeout that is none or a compression that is not
 * known, which Connect would refuse inside the interceptors if it is a stream.
 */
function refusedByHead(
  handler: UniversalHandler,
  { method, header }: UniversalServerRequest,
  maxBytes: number,
): ConnectError | undefined {
  const type = header.get('content-type') ?? ''
  // What is no call is refused by HTTP itself.
  if (!handler.allowedMethods.includes(method) || !handler.supportedContentType(type))
    return undefined
  const timeout = timeoutRefusal(Object.fromEntries(header))
  if (timeout !== undefined) return timeout
  const isUnary = handler.method.methodKind === 'unary'
  const compression = isUnary ? undefined : compressionRefusal(header)
  if (compression !== undefined) return compression
  // The message of a stream is read inside the interceptors, which see its refusal where nobody waits.
  if (!isUnary && !header.has('expect')) return undefined
  const isTooLarge =
    hasOneMessage(handler.method) && declaresTooMuch(type, header.get('content-length'), maxBytes)
  return isTooLarge ? tooLarge(maxBytes) : undefined
}

/** The answer in place of Connect's bare 405, 415 or 505, with Allow and Accept-Post as in RFC 9110. */
function refusedByHttp(
  handler: UniversalHandler,
  request: UniversalServerRequest,
  response: UniversalServerResponse,
  exchange: Exchange,
): UniversalServerResponse {
  const { method } = handler
  const allowed = methodsOf(handler, exchange.protocol)
  // Connect compares types first.
  const isOther = response.status === 415 && !allowed.includes(request.method)
  const status = isOther ? 405 : response.status
  const error = httpError(status, request, { method, allow: allowed.join(', ') })
  exchange.failure = { ...failureOf(error), status, cause: undefined }
  if (status === 415 && exchange.protocol !== 'connect') {
    // gRPC clients turn an HTTP status into UNKNOWN.
    const header = new Headers({ 'content-type': `application/${exchange.protocol}` })
    return { status: 200, header: setGrpcStatus(header, error) }
  }
  const header = new Headers(response.header)
  error.metadata.forEach((value, name) => header.set(name, value))
  header.set('content-type', 'application/json')
  return { status, header, body: createAsyncIterable([errorToJsonBytes(error, undefined)]) }
}

/** The methods of HTTP for a call in a protocol; Connect lists GET for streams, too, and then refuses it. */
function methodsOf({ allowedMethods, method }: UniversalHandler, protocol: Protocol): string[] {
  const isGettable = protocol === 'connect' && method.methodKind === 'unary'
  return allowedMethods.filter((each) => isGettable || each !== 'GET').toSorted()
}

function httpError(
  status: number,
  { method: asked, header }: UniversalServerRequest,
  { method, allow }: { method: UniversalHandler['method']; allow: string },
): ConnectError {
  if (status === 405) return methodNotAllowed(asked, allow)
  if (status === 415)
    return unsupportedMediaType(header.get('content-type') ?? '', bodyTypes(method))
  return refusal(Code.Unimplemented, 'MALFORMED_REQUEST', `HTTP ${status}`, { status })
}
