import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import { Code, ConnectError, type Transport } from '@connectrpc/connect'
import { findTrailerError } from '@connectrpc/connect/protocol-grpc'
import {
  type ClientReadableStream,
  GrpcWebClientBase,
  type Metadata,
  MethodDescriptor,
  RpcError,
} from 'grpc-web'

/**
 * Calls by Google's client of gRPC-Web as generated code does, in its default format, which is base64.
 * What it needs of a method and its messages comes from the descriptors of Connect's code.
 */
export function googleTransport(hostname: string): Transport {
  const client = new GrpcWebClientBase()
  const url = ({ parent, name }: DescMethod) => `${hostname}/${parent.typeName}/${name}`
  return {
    async unary(method, _signal, timeoutMs, _header, input) {
      const request = create(method.input, input)
      const message = await client
        .unaryCall(url(method), request, metadataOf(timeoutMs), descriptorOf(method))
        .catch((err: unknown) => Promise.reject(connectError(err)))
      return { ...answerOf(method), stream: false, method, message }
    },
    async stream(method, signal, timeoutMs, _header, input) {
      const request = create(method.input, await firstOf(input))
      const metadata = metadataOf(timeoutMs)
      const stream = client.serverStreaming(url(method), request, metadata, descriptorOf(method))
      signal?.addEventListener('abort', () => stream.cancel())
      return { ...answerOf(method), stream: true, method, message: messagesOf(stream) }
    },
  }
}

/** What the client's answers leave out. */
function answerOf({ parent }: DescMethod) {
  return { service: parent, header: new Headers(), trailer: new Headers() }
}

function descriptorOf<I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { input: I; output: O },
): MethodDescriptor<MessageShape<I>, MessageShape<O>> {
  const { input, output, parent, name } = method
  // For interceptors, which may want to know the class of a message.
  const noClass = Object as never
  return new MethodDescriptor<MessageShape<I>, MessageShape<O>>(
    `/${parent.typeName}/${name}`,
    method.methodKind,
    noClass,
    noClass,
    (message: MessageShape<I>) => toBinary(input, message),
    (bytes: Uint8Array) => fromBinary(output, bytes),
  )
}

/** The client makes grpc-timeout of a deadline. */
function metadataOf(timeoutMs: number | undefined): Metadata {
  return timeoutMs === undefined ? {} : { deadline: `${Date.now() + timeoutMs}` }
}

function connectError(err: unknown): ConnectError {
  if (!(err instanceof RpcError)) return ConnectError.from(err)
  const fields = new Headers({ ...err.metadata, 'grpc-status': `${err.code}` })
  // The client has taken the escapes out of its message.
  const error = findTrailerError(fields) ?? new ConnectError('', Code.Unknown)
  return new ConnectError(err.message, error.code, fields, error.details as never)
}

async function firstOf<T>(messages: AsyncIterable<T>): Promise<T> {
  for await (const message of messages) return message
  throw new Error('a stream of the server has a message of its client')
}

async function* messagesOf<T>(stream: ClientReadableStream<T>): AsyncGenerator<T> {
  const events: ({ message: T } | { end: ConnectError | undefined })[] = []
  let wake = Promise.withResolvers<void>()
  function add(event: (typeof events)[number]): void {
    events.push(event)
    wake.resolve()
  }
  stream.on('data', (message) => add({ message }))
  stream.on('error', (err) => add({ end: connectError(err) }))
  stream.on('end', () => add({ end: undefined }))
  for (;;) {
    await wake.promise
    wake = Promise.withResolvers()
    for (const event of events.splice(0)) {
      if ('message' in event) yield event.message
      else if (event.end) throw event.end
      else return
    }
  }
}
