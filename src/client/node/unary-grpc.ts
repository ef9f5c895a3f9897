import type { IncomingHttpHeaders } from 'node:http2'
import { create, type DescMethodUnary, type Message } from '@bufbuild/protobuf'
import { Code, ConnectError, type Transport, type UnaryResponse } from '@connectrpc/connect'
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node'
import {
  type Compression,
  createMethodSerializationLookup,
  createMethodUrl,
  encodeEnvelope,
  envelopeDecompress,
} from '@connectrpc/connect/protocol'
import {
  contentTypeProto,
  headerGrpcStatus,
  validateResponseWithCompression,
  validateTrailer,
} from '@connectrpc/connect/protocol-grpc'
import type { Sessions } from '../../http2/sessions.ts'
import { exchanged, type Received } from './exchanged.ts'

const compressions: Compression[] = [compressionGzip, compressionBrotli]
const maxBytes = 0xff_ff_ff_ff
const headBytes = 5
const messageField = 'grpc-message'
/** Unless the caller says another one. */
const agent = 'grpc-node-http2'
const ownHeaders = {
  'content-type': contentTypeProto,
  'grpc-accept-encoding': compressions.map(({ name }) => name).join(),
  te: 'trailers',
}

/**
 * Makes unary calls of gRPC, as Connect's own transport does but without its pipelines of generators:
 * they were half of what a gateway costs (docs/performance.md). Interceptors are not run.
 */
export function unaryGrpc(session: Sessions): Transport['unary'] {
  const wireOf = wireForms()
  const unary = async (...args: Parameters<Transport['unary']>): Promise<UnaryResponse> => {
    const [method, signal, timeoutMs, header, input] = args
    const { path, request, response } = wireOf(method)
    const body = encodeEnvelope(0, request.serialize(create(method.input, input)))
    const headers = {
      'user-agent': agent,
      ...fieldsOf(header),
      ...ownHeaders,
      ...timeoutHeader(timeoutMs),
    }
    const opening = session.request('POST', path, headers, {})
    const received = await exchanged(opening, body, { signal, timeoutMs })
    session.notifyResponseByteRead(received.stream)
    const { message, ...fields } = await answerOf(received, response.parse)
    return { stream: false, method, service: method.parent, message, ...fields }
  }
  // Connect's type makes the answer depend on the method.
  return unary as Transport['unary']
}

function timeoutHeader(timeoutMs: number | undefined): Record<string, string> {
  return timeoutMs === undefined ? {} : { 'grpc-timeout': `${timeoutMs}m` }
}

/** The path of a method, and how its messages are written and read; made once for each. */
function wireForms() {
  const known = new WeakMap<DescMethodUnary, ReturnType<typeof made>>()
  const limits = { readMaxBytes: maxBytes, writeMaxBytes: maxBytes }

  function made(method: DescMethodUnary) {
    const lookup = createMethodSerializationLookup(method, undefined, undefined, limits)
    const path = createMethodUrl('', method)
    return { path, request: lookup.getI(true), response: lookup.getO(true) }
  }
  return function wireOf(method: DescMethodUnary) {
    const old = known.get(method)
    if (old) return old
    const both = made(method)
    known.set(method, both)
    return both
  }
}

/** The message of an answer with its headers and trailers. Throws the error that the answer has. */
async function answerOf(
  { head, chunks, trailers }: Received,
  parse: (bytes: Uint8Array) => Message,
) {
  const [header, trailer] = [headersOf(head), headersOf(trailers)]
  const status = Number(head[':status'])
  const { compression, headerError } = validateResponseWithCompression(compressions, status, header)
  const bytes = await messageOf(chunks, compression)
  const message = bytes && parse(bytes)
  validateTrailer(trailer, header)
  if (message && !headerError) return { message, header, trailer }
  throw headerError && !message ? headerError : protocolError(message, trailer)
}

function protocolError(message: Message | undefined, trailer: Headers): ConnectError {
  if (message) return new ConnectError('protocol error: a message with an error', Code.Unknown)
  const code = trailer.has(headerGrpcStatus) ? Code.Unimplemented : Code.Unknown
  return new ConnectError('protocol error: missing output message for unary method', code)
}

/** The bytes of the only message of an answer; undefined if there is none. */
async function messageOf(
  chunks: readonly Buffer[],
  compression: Compression | undefined,
): Promise<Uint8Array | undefined> {
  const [only] = chunks
  if (only === undefined) return undefined
  const all = chunks.length === 1 ? only : Buffer.concat(chunks)
  const end = all.length < headBytes ? Infinity : headBytes + all.readUInt32BE(1)
  if (end > all.length)
    throw new ConnectError('protocol error: incomplete envelope', Code.InvalidArgument)
  if (end < all.length)
    throw new ConnectError('protocol error: more than one message', Code.Unimplemented)
  const envelope = { flags: all.readUInt8(0), data: all.subarray(headBytes) }
  return (await envelopeDecompress(envelope, compression ?? null, maxBytes)).data
}

/** Header fields as HTTP/2 takes them. */
function fieldsOf(given: Parameters<Transport['unary']>[3]): Record<string, string> {
  const fields: Record<string, string> = {}
  new Headers(given).forEach((value, name) => {
    fields[name] = value
  })
  return fields
}

/** The fields of an answer, without the pseudo-headers of HTTP/2. */
function headersOf(received: IncomingHttpHeaders): Headers {
  const headers = new Headers()
  for (const [name, value = []] of Object.entries(received))
    if (!name.startsWith(':'))
      for (const each of Array.isArray(value) ? value : [value]) headers.append(name, each)
  const message = headers.get(messageField)
  if (message !== null) headers.set(messageField, decodable(message))
  return headers
}

/** A message of gRPC; one with wrong escapes, which the protocol takes as it is, escaped once more. */
function decodable(message: string): string {
  try {
    decodeURIComponent(message)
    return message
  } catch {
    return encodeURIComponent(message)
  }
}
