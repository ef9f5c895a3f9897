import type { DescMessage, Message, Registry } from '@bufbuild/protobuf'
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createContextValues,
  type Interceptor,
} from '@connectrpc/connect'
import {
  createMethodSerializationLookup,
  type Compression,
  type MethodSerializationLookup,
} from '@connectrpc/connect/protocol'
import type { FastifyReply, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify'
import { type CallOptions, LazyCall, type UnaryCall } from '../../call/context.ts'
import { decodingTurn } from '../../call/message/decoding-turn.ts'
import { bounded } from '../../call/error-bounds.ts'
import { requestHeaders } from '../../call/headers.ts'
import { unaryInvoker, type UnaryMethod } from '../../call/invoke.ts'
import { operationOf, recordMethods } from '../../call/methods.ts'
import { refusal } from '../../call/refusal.ts'
import { failureOf, type Failure } from '../exchange/failure.ts'
import { breakOff } from './connect-routes.ts'
import { declaresTooMuch } from './declared-length.ts'
import { type MessageReader, messageReader } from './message-reader.ts'
import { type Exchange, exchangeKey, isAbandoned } from '../exchange/exchange.ts'
import { readBody, replayed } from '../../call/read-body.ts'
import {
  nothingSet,
  type UnaryProtocol,
  unaryProtocols,
  write,
  type Written,
} from './unary-protocols.ts'

interface UnaryCallsOptions {
  routes: (router: ConnectRouter) => unknown
  interceptors: readonly Interceptor[]
  maxBodyBytes: number
  types?: Registry | undefined
  exchangeOf: (request: FastifyRequest['raw']) => Exchange | undefined
  brokenOff: (request: FastifyRequest['raw'], failure: Failure) => void
}

interface Unary {
  method: UnaryMethod['method']
  invoke: ReturnType<typeof unaryInvoker>
  reader: MessageReader
  serialization: MethodSerializationLookup<DescMessage, DescMessage>
}

/** A call whose body has not been read. */
interface Begun {
  request: FastifyRequest
  reply: FastifyReply
  exchange: Exchange
  unary: Unary
  protocol: UnaryProtocol
  coding: Compression | undefined
  call: UnaryCall
}

/**
 * Serves well-formed calls of unary methods without Connect's own handlers, which take ten times as
 * long: each is a pipeline of asynchronous generators that are compiled to closures made for each call.
 * Interceptors, messages and errors are the same. GET, streams, and requests that are compressed or
 * malformed are left for Connect, together with the part of the body that has been read.
 */
export function unaryCalls(options: UnaryCallsOptions): preHandlerAsyncHookHandler {
  const { maxBodyBytes, exchangeOf, types, brokenOff } = options
  const json = types && { registry: types }
  const protocols = unaryProtocols(json)
  const methods = compiled(options)
  const callOptions = new Map(
    ['connect', 'grpc', 'grpc-web'].map((name) => [name, callOptionsOf(name, exchangeOf)]),
  )

  function begun(request: FastifyRequest, reply: FastifyReply): Begun | undefined {
    const { raw, headers } = request
    const exchange = exchangeOf(raw)
    const unary = exchange && methods.get(exchange.path)
    const { 'content-type': type = '', 'content-length': length } = headers
    const protocol = protocols.get(type)
    if (!unary || !protocol || raw.method !== 'POST' || !protocol.isPlain(headers)) return undefined
    if (declaresTooMuch(type, length, maxBodyBytes)) return undefined
    const timeoutMs = protocol.timeoutMs(headers)
    const settings = callOptions.get(protocol.name)
    if (timeoutMs === null || settings === undefined) return undefined
    exchange.operation = exchange.path
    exchange.protocol = protocol.name
    const coding = protocol.codingOf(headers)
    const call = new LazyCall(unary.method, request, reply, timeoutMs, settings)
    return { request, reply, exchange, unary, protocol, coding, call }
  }

  return async function serveUnary(request, reply) {
    const begin = begun(request, reply)
    if (begin === undefined) return
    const { exchange, unary, protocol, call } = begin
    let message: Message | ConnectError | undefined
    try {
      const read = await readBody(request.raw, protocol, maxBodyBytes, call.deadline)
      const turn = decodingTurn(read.body)
      if (turn) await turn
      const isWhole = !read.remaining && !isAbandoned(exchange)
      const bytes = isWhole ? protocol.messageOf(read.body) : undefined
      message = bytes && unary.reader.read(bytes, protocol.binary)
      // Connect refuses such a body, or answers with nothing because its client has gone.
      if (message === undefined) request.body = replayed(read)
    } catch (err) {
      if (!(err instanceof ConnectError)) throw err
      message = err
    }
    if (message === undefined) return
    void reply.hijack()
    if (message instanceof ConnectError) await refuse(begin, message)
    else await carryOut(begin, message, brokenOff)
  }
}

function compiled({ routes, interceptors, maxBodyBytes, types }: UnaryCallsOptions) {
  const limits = { readMaxBytes: maxBodyBytes, writeMaxBytes: 0xffff_ffff }
  const json = types && { registry: types }
  const methods = new Map<string, Unary>()
  for (const spec of recordMethods(routes)) {
    if (spec.kind !== 'unary') continue
    const { method } = spec
    methods.set(operationOf(method), {
      method,
      invoke: unaryInvoker(spec, interceptors),
      reader: messageReader(method.input, types),
      serialization: createMethodSerializationLookup(method, undefined, json, limits),
    })
  }
  return methods
}

function callOptionsOf(
  protocolName: string,
  exchangeOf: UnaryCallsOptions['exchangeOf'],
): CallOptions {
  return {
    protocolName,
    headersOf: requestHeaders,
    contextValues: ({ raw }) => createContextValues().set(exchangeKey, exchangeOf(raw)),
  }
}

/** Answers a call whose message is refused: a mistake of the client, so the log needs no cause. */
async function refuse(
  { reply, exchange, protocol, coding }: Begun,
  error: ConnectError,
): Promise<void> {
  exchange.failure = { ...failureOf(error), cause: undefined }
  write(reply.raw, await protocol.failure(nothingSet, error, coding))
}

async function carryOut(
  { request, reply, exchange, unary, protocol, call, coding }: Begun,
  message: Message,
  brokenOff: UnaryCallsOptions['brokenOff'],
): Promise<void> {
  const { raw } = reply
  let answer: Written | undefined
  try {
    const output = await answerOf(unary, protocol, message, call)
    if (output instanceof ConnectError) {
      exchange.failure ??= failureOf(output)
      answer = await protocol.failure(call, output, coding)
    } else answer = await protocol.answer(call, output, coding)
    write(raw, answer)
  } catch (cause) {
    const error = internalError(cause)
    exchange.failure = failureOf(error)
    // A header that the handler has set cannot be sent. Once it is in the response, no other answer can.
    if (!answer && !raw.headersSent) return write(raw, await protocol.failure(nothingSet, error))
    brokenOff(request.raw, exchange.failure)
    breakOff(raw)
  }
}

async function answerOf(
  { invoke, serialization }: Unary,
  { binary }: UnaryProtocol,
  message: Message,
  call: UnaryCall,
): Promise<Uint8Array | ConnectError> {
  try {
    return serialization.getO(binary).serialize(await invoke(message, call))
  } catch (err) {
    return err instanceof ConnectError ? bounded(err) : internalError(err)
  }
}

function internalError(cause: unknown): ConnectError {
  return refusal(Code.Internal, 'INTERNAL', 'internal error', { cause })
}
