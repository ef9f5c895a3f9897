import type { DescMethod, Message, Registry } from '@bufbuild/protobuf'
import {
  createContextValues,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type Transport,
  type UnaryRequest,
  type UnaryResponse,
} from '@connectrpc/connect'
import { runStreamingCall, runUnaryCall } from '@connectrpc/connect/protocol'
import { trailerDemux } from '@connectrpc/connect/protocol-connect'
import { type About, readFailure, readMessage, type ReadOptions } from './answer.ts'
import { type Dialect, jsonType } from './dialect.ts'
import { type Answer, type Connections, connectionsTo, type PeerTls } from './exchange.ts'
import { answerHeaders, type Expected, outgoing, requestHeaders } from './headers.ts'
import { buildRequest, type ClientRoute, clientRoutes, type RestRequest } from './request.ts'
import { readMessages } from './stream-answer.ts'
import { type StreamedRequest, streamedRequest, streamRoutes, uploadType } from './upload.ts'

/** How a peer is called over REST. A comment ends with the default value, if there is one. */
export interface RestTransportOptions {
  /** `http://host:port` or `https://host:port`; a path in it comes before those of the rules. */
  baseUrl: string
  dialect: Dialect
  /** Standard Connect interceptors, the first outermost. They see the URL with the path's template. */
  interceptors?: Interceptor[]
  /** The milliseconds that a call has if it is given none; no limit. */
  defaultTimeoutMs?: number
  /** The maximum bytes of an answer, or of one message of a stream, as JSON; 4 MiB. */
  readMaxBytes?: number
  /** The maximum milliseconds to open a connection; 1000. */
  connectTimeoutMs?: number
  tls?: PeerTls | (() => PeerTls)
  /** The messages that google.protobuf.Any may hold. */
  types?: Registry
}

/** A Connect transport with connections of its own. */
interface RestTransport extends Transport {
  /** Closes the connections; open calls fail, and so do later ones. */
  close(): void
}

interface Parts {
  baseUrl: string
  dialect: Dialect
  read: ReadOptions
  connections: Connections
}

const mebibyte = 1024 * 1024
// What Node's timers can wait.
const maxTimerMs = 2 ** 31 - 1

/**
 * Calls one peer over HTTP/1.1 by the google.api.http rules of the methods, as Kratos' generated HTTP
 * clients do. Server streams are server-sent events or newline-delimited JSON; client streams are
 * newline-delimited JSON. A lost peer is `unavailable`, told apart by its cause (see lostPeer).
 */
export function restTransport(options: RestTransportOptions): RestTransport {
  const { dialect, types, tls, interceptors = [], connectTimeoutMs = 1000 } = options
  const baseUrl = options.baseUrl.replace(/\/$/, '')
  const read = { dialect, types, maxBytes: options.readMaxBytes ?? 4 * mebibyte }
  const connections = connectionsTo({ baseUrl, connectTimeoutMs, tls })
  const parts: Parts = { baseUrl, dialect, read, connections }
  const timeoutOf = (given: number | undefined) => timeout(given ?? options.defaultTimeoutMs)

  const transport = {
    async unary(...[method, signal, timeoutMs, header, message, values]: UnaryArguments) {
      const routes = clientRoutes(method)
      const ms = timeoutOf(timeoutMs)
      const req = { ...common(method, routes, parts), stream: false, method, message } as const
      return runUnaryCall({
        interceptors,
        ...callLimits(signal, ms),
        req: {
          ...req,
          header: requestHeaders(header, ms, dialect, 'message'),
          contextValues: values ?? createContextValues(),
        },
        next: (request) => callUnary(request, routes, parts),
      })
    },
    async stream(...[method, signal, timeoutMs, header, input, values]: StreamArguments) {
      const routes = streamRoutes(method)
      const ms = timeoutOf(timeoutMs)
      const expected: Expected = method.methodKind === 'server_streaming' ? 'stream' : 'message'
      const abandoned = new AbortController()
      const either = signal ? AbortSignal.any([signal, abandoned.signal]) : abandoned.signal
      const req = {
        ...common(method, routes, parts),
        stream: true,
        method,
        message: input,
      } as const
      const response = await runStreamingCall({
        interceptors,
        ...callLimits(either, ms),
        req: {
          ...req,
          header: requestHeaders(header, ms, dialect, expected),
          contextValues: values ?? createContextValues(),
        },
        next: (request) => callStream(request, routes, parts),
      })
      return { ...response, message: closable(response.message, abandoned) }
    },
    close: () => connections.close(),
  }
  // Connect's type makes the answer depend on the method, which no code here looks at.
  return transport as RestTransport
}

type UnaryArguments = Parameters<Transport['unary']>
type StreamArguments = Parameters<Transport['stream']>

/** As in Connect's own transports, a time that is not positive is no limit. */
function timeout(ms: number | undefined): number | undefined {
  return ms === undefined || ms <= 0 ? undefined : ms
}

function callLimits(signal: AbortSignal | undefined, ms: number | undefined) {
  return {
    ...(signal && { signal }),
    ...(ms !== undefined && { timeoutMs: Math.min(ms, maxTimerMs) }),
  }
}

/** The path that is asked for is known once interceptors are through with the message. */
function common(method: DescMethod, [route]: readonly ClientRoute[], { baseUrl }: Parts) {
  const { httpMethod = '', template } = route?.binding ?? {}
  return {
    service: method.parent,
    requestMethod: httpMethod,
    url: `${baseUrl}${template?.source ?? ''}`,
  }
}

async function callUnary(
  request: UnaryRequest,
  routes: readonly ClientRoute[],
  parts: Parts,
): Promise<UnaryResponse> {
  const built = buildRequest(routes, request.message, parts.read.types)
  const type = built.body === undefined ? undefined : jsonType(parts.dialect)
  const answer = await send(request, built, type, parts)
  const message = await readMessage(answer, aboutOf(built, parts), parts.read)
  const { method, service } = request
  const [header, trailer] = trailerDemux(answerHeaders(answer.response.headers))
  return { stream: false, method, service, message, header, trailer }
}

async function callStream(
  request: StreamRequest,
  routes: readonly ClientRoute[],
  parts: Parts,
): Promise<StreamResponse> {
  const { method, service, message: input } = request
  const { read, dialect } = parts
  const built = await streamedRequest(method, routes, input, read.types)
  const uploads = method.methodKind === 'client_streaming'
  const type = uploads ? uploadType : built.body === undefined ? undefined : jsonType(dialect)
  const answer = await send(request, built, type, parts)
  const about = aboutOf(built, parts)
  const message = uploads ? only(answer, about, read) : readMessages(answer, about, read)
  const [header, trailer] = trailerDemux(answerHeaders(answer.response.headers))
  return { stream: true, method, service, message, header, trailer }
}

/** Sends a request. Throws the error that a peer answers with. */
async function send(
  { header, signal }: UnaryRequest | StreamRequest,
  built: Sendable,
  contentType: string | undefined,
  parts: Parts,
): Promise<Answer> {
  const { httpMethod: method, target, body } = built
  const headers = outgoing(header, contentType)
  const answer = await parts.connections.send({ method, target, headers, body, signal })
  const { statusCode = 0 } = answer.response
  if (statusCode >= 200 && statusCode < 300) return answer
  throw await readFailure(answer, aboutOf(built, parts), parts.read)
}

type Sendable = RestRequest | StreamedRequest

function aboutOf({ route, httpMethod }: Sendable, { baseUrl }: Parts): About {
  const { binding, responseField: field } = route
  const call = `${httpMethod} ${baseUrl}${binding.template.source}`
  return { call, output: binding.method.output, field }
}

async function* only(answer: Answer, about: About, read: ReadOptions): AsyncGenerator<Message> {
  yield await readMessage(answer, about, read)
}

/** Ends the call when its reader leaves before the end, which Connect's own streams do not. */
function closable(messages: AsyncIterable<Message>, left: AbortController): AsyncIterable<Message> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]()
      return {
        next: () => iterator.next(),
        async return() {
          left.abort()
          // Clears the timer of the deadline.
          await iterator.next().catch(() => undefined)
          return { done: true, value: undefined }
        },
      }
    },
  }
}
