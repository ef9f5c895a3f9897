import { Readable } from 'node:stream'
import { create, type DescMethodStreaming, type Message, type Registry } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import { buildRequest, type ClientRoute, clientRoutes, type RestRequest } from './request.ts'

/** The content type of a stream of messages. */
export const uploadType = 'application/x-ndjson'

/** A request whose body may be a stream of messages. */
export type StreamedRequest = Omit<RestRequest, 'body'> & {
  body: string | Readable | undefined
}

/**
 * The bindings by which a streaming method can be called. Throws unimplemented for a method that
 * streams both ways, which HTTP's requests and answers cannot, and for one that streams requests but
 * has no rule with a body.
 */
export function streamRoutes(method: DescMethodStreaming): readonly ClientRoute[] {
  const name = `${method.parent.typeName}.${method.name}`
  if (method.methodKind === 'bidi_streaming')
    throw new ConnectError(`${name} streams both ways; call it by gRPC`, Code.Unimplemented)
  const routes = clientRoutes(method)
  if (method.methodKind === 'server_streaming') return routes
  const withBody = routes.filter(({ binding }) => binding.body !== '')
  if (withBody.length > 0) return withBody
  throw new ConnectError(`${name} streams requests, but its rule has no body`, Code.Unimplemented)
}

/**
 * Builds the request of a stream. The one request of a server stream is as that of a unary call. Of
 * a client stream, the first message decides path and query, and each message is a line of the body,
 * in which the server fills the fields of path and query. Throws invalid_argument for a server stream
 * without its message.
 */
export async function streamedRequest(
  method: DescMethodStreaming,
  routes: readonly ClientRoute[],
  input: AsyncIterable<Message>,
  types: Registry | undefined,
): Promise<StreamedRequest> {
  const messages = input[Symbol.asyncIterator]()
  const first = await messages.next()
  const empty = first.done === true
  if (empty && method.methodKind === 'server_streaming')
    throw new ConnectError('a server stream needs a request message', Code.InvalidArgument)
  const build = (message: Message) => buildRequest(routes, message, types)
  const request = build(empty ? create(method.input) : first.value)
  if (method.methodKind === 'server_streaming') return request
  const lines = empty ? [] : linesOf(request, messages, build)
  return { ...request, body: Readable.from(lines, { objectMode: false }) }
}

async function* linesOf(
  first: RestRequest,
  messages: AsyncIterator<Message>,
  build: (message: Message) => RestRequest,
): AsyncGenerator<string> {
  let ended = false
  try {
    yield lineOf(first)
    for (let next = await messages.next(); next.done !== true; next = await messages.next()) {
      const request = build(next.value)
      if (request.target !== first.target) throw otherTarget(first, request)
      yield lineOf(request)
    }
    ended = true
  } finally {
    if (!ended) await messages.return?.()
  }
}

/** A message that does not have the body's field still takes its line. */
function lineOf({ body }: RestRequest): string {
  return `${body || 'null'}\n`
}

function otherTarget(first: RestRequest, { target }: RestRequest): ConnectError {
  return new ConnectError(
    `the messages of one stream have one path and query: ${first.target}, not ${target}`,
    Code.InvalidArgument,
  )
}
