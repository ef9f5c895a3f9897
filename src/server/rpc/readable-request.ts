import { base64Decode } from '@bufbuild/protobuf/wire'
import { Code, ConnectError } from '@connectrpc/connect'
import {
  compressedFlag,
  type Compression,
  type EnvelopedMessage,
  pipe,
  transformDecompressEnvelope,
  transformJoinEnvelopes,
  type UniversalServerRequest,
} from '@connectrpc/connect/protocol'
import { gatheredBytes } from '../../call/message/gathered-bytes.ts'
import { decodingTurn } from '../../call/message/decoding-turn.ts'
import { refusal } from '../../call/refusal.ts'
import { malformedUrl } from '../../rest/errors.ts'
import { unescapedBytes } from '../../rest/route/unescape.ts'
import { protocolOf } from '../exchange/protocol.ts'
import { compressions } from './compressions.ts'
import type { MessageReader } from './message-reader.ts'
import { splitEnvelopes } from './split-envelopes.ts'
import { isByteStream, untilOver } from './unread-body.ts'

const unaryType = /^application\/(?:json|(proto))(?:;|$)/i
const envelopedType = /^application\/(?:grpc|grpc-web|connect)(?:\+(?:(json)|proto))?(?:;|$)/i

/** How the messages of a request are read. */
interface Reading {
  reader: MessageReader
  /** Bounds each message. */
  maxBytes: number
  /** Whether the client has to send exactly one. */
  single: boolean
}

/**
 * Reads the messages of a request before Connect does, decompressed, for every protocol and for Connect
 * GET: Connect's codecs take a bare 9007199254740993 for …992 and `"0x10"` for 16. Connect gets the
 * messages in a form that its codecs read exactly. Malformed messages are refused here, and so are those of
 * an envelope that Connect would refuse inside the interceptors, where a handler could have thrown it. All
 * other mistakes of a request are refused by Connect.
 */
export async function readableRequest(
  request: UniversalServerRequest,
  reading: Reading,
): Promise<UniversalServerRequest> {
  const { method, body, header } = request
  if (method === 'GET') return { ...request, url: await readableUrl(request.url, reading) }
  if (!isByteStream(body)) return request
  const type = header.get('content-type') ?? ''
  const unary = unaryType.exec(type)
  if (unary) return withReadableBody(request, body, { ...reading, binary: unary[1] !== undefined })
  const enveloped = envelopedType.exec(type)
  if (!enveloped) return request
  return withReadableEnvelopes(request, body, { ...reading, binary: enveloped[1] === undefined })
}

/**
 * The compression that a request names; null for none, undefined for one that is not known. Content
 * codings have no case (RFC 9110, 8.4.1); the message encodings of gRPC, always in lower case, lose
 * nothing by it.
 */
function compressionOf(name: string | null): Compression | null | undefined {
  if (name === null || name === '' || name === 'identity') return null
  return compressions.find((each) => each.name === name.toLowerCase())
}

interface InEncoding extends Reading {
  binary: boolean
}

function withReadableBody(
  request: UniversalServerRequest,
  body: AsyncIterable<Uint8Array>,
  reading: InEncoding,
): UniversalServerRequest {
  const { header } = request
  const compression = compressionOf(header.get('content-encoding'))
  if (compression === undefined) return request
  header.delete('content-encoding')
  // Connect compares it with the size of the rewritten body, which may be longer.
  header.delete('content-length')
  const bytes = readableBody(body, compression, reading)
  return { ...request, body: inOurWords(bytes, reading.maxBytes) }
}

async function* readableBody(
  body: AsyncIterable<Uint8Array>,
  compression: Compression | null,
  { reader, maxBytes, binary }: InEncoding,
) {
  const gathered = gatheredBytes()
  for await (const chunk of body) {
    gathered.add(chunk)
    if (gathered.size() > maxBytes) throw tooLarge(maxBytes)
  }
  const bytes = gathered.bytes()
  const message = compression ? await compression.decompress(bytes, maxBytes) : bytes
  await decodingTurn(message)
  yield reader.readable(message, binary)
}

function withReadableEnvelopes(
  request: UniversalServerRequest,
  body: AsyncIterable<Uint8Array>,
  { reader, maxBytes, single, binary }: InEncoding,
): UniversalServerRequest {
  const { header } = request
  const compression = compressionOf(
    header.get('grpc-encoding') ?? header.get('connect-content-encoding'),
  )
  if (compression === undefined) return request
  // The end of the others is an envelope, too.
  const areAllMessages = protocolOf(header.get('content-type') ?? '') === 'grpc'
  async function* readable(envelopes: AsyncIterable<EnvelopedMessage>) {
    let count = 0
    for await (const { flags, data } of envelopes) {
      if ((flags & compressedFlag) !== 0) throw unknownCompression()
      if (flags === 0 || areAllMessages) count += 1
      if (single && count > 1) throw notOne('more than one message')
      await decodingTurn(data)
      // The last envelope of a stream is no message.
      yield { flags, data: flags === 0 ? reader.readable(data, binary) : data }
    }
    if (single && count === 0) throw notOne('no message')
  }
  const messages = pipe(
    body,
    (chunks) => splitEnvelopes(chunks, maxBytes),
    (envelopes) =>
      compression ? transformDecompressEnvelope(compression, maxBytes)(envelopes) : envelopes,
    readable,
    transformJoinEnvelopes(),
  )
  const chunks = untilOver(inOurWords(messages, maxBytes))
  return { ...request, body: { [Symbol.asyncIterator]: () => chunks } }
}

/** What the client does wrong, though the code that the protocols want is one of the server. */
const ofClient = { status: 400 }

function notOne(sent: string): ConnectError {
  const message = `the call has ${sent}, and its method takes exactly one`
  return refusal(Code.Unimplemented, 'MALFORMED_REQUEST', message, ofClient)
}

function unknownCompression(): ConnectError {
  const message = 'a message is compressed, and the headers do not say how'
  return refusal(Code.Internal, 'MALFORMED_BODY', message, ofClient)
}

/** The refusal of a message that is larger than `maxBytes`. */
export function tooLarge(maxBytes: number): ConnectError {
  const message = `the message is larger than ${maxBytes} bytes, the most that is accepted`
  return refusal(Code.ResourceExhausted, 'BODY_TOO_LARGE', message)
}

/**
 * The refusal of a request that cannot be read. For one too large, Connect's names an option of its own;
 * for bytes that cannot be decompressed it has no details, which those of a stream get nowhere else.
 */
export function readingError(err: unknown, maxBytes: number): ConnectError {
  const error = ConnectError.from(err, Code.Internal)
  if (error.code === Code.ResourceExhausted) return tooLarge(maxBytes)
  if (error.code !== Code.InvalidArgument || error.details.length > 0) return error
  const message =
    error.rawMessage === 'decompression failed'
      ? 'the message is not compressed as its headers say'
      : error.rawMessage
  return refusal(Code.InvalidArgument, 'MALFORMED_BODY', message, { cause: err })
}

async function* inOurWords(body: AsyncIterable<Uint8Array>, maxBytes: number) {
  try {
    yield* body
  } catch (err) {
    throw readingError(err, maxBytes)
  }
}

async function readableUrl(url: string, { reader, maxBytes }: Reading): Promise<string> {
  const parsed = new URL(url)
  const { searchParams } = parsed
  const encoding = searchParams.get('encoding')
  const compression = compressionOf(searchParams.get('compression'))
  if (compression === undefined || (encoding !== 'json' && encoding !== 'proto')) return url
  const bytes = messageOf(parsed.search, searchParams.get('base64') === '1')
  const message = compression ? await compression.decompress(bytes, maxBytes) : bytes
  await decodingTurn(message)
  const readable = Buffer.from(reader.readable(message, encoding === 'proto'))
  searchParams.delete('compression')
  searchParams.set('base64', '1')
  searchParams.set('message', readable.toString('base64url'))
  return parsed.toString()
}

/** The message of a query. In base64, a "+" is a digit; `searchParams` would decode the others as UTF-8. */
function messageOf(search: string, inBase64: boolean): Uint8Array {
  const pairs = search.slice(1).split('&')
  const sent = pairs.find((pair) => new URLSearchParams(pair).has('message')) ?? ''
  const value = sent.replace(/^[^=]*=?/, '')
  const bytes = unescapedBytes(inBase64 ? value : value.replaceAll('+', ' '))
  if (bytes === undefined) throw malformedUrl()
  return inBase64 ? decoded(bytes.toString('latin1')) : bytes
}

function decoded(text: string): Uint8Array {
  try {
    return base64Decode(text)
  } catch (cause) {
    const message = 'the message is no base64, which its query says it is by base64=1'
    throw refusal(Code.InvalidArgument, 'MALFORMED_BODY', message, { cause })
  }
}
