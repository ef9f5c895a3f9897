import { isUtf8 } from 'node:buffer'
import { Code, ConnectError } from '@connectrpc/connect'
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node'
import {
  type Compression,
  type EnvelopedMessage,
  pipe,
  transformDecompressEnvelope,
  transformJoinEnvelopes,
  transformSplitEnvelope,
  type UniversalServerRequest,
} from '@connectrpc/connect/protocol'
import { isTooDeep, maxJsonDepth, quoteUnsafeIntegers } from '../../call/json.ts'
import { isByteStream } from './unread-body.ts'

const unaryJson = /^application\/json(?:;|$)/i
const envelopedJson = /^application\/(?:grpc|grpc-web|connect)\+json(?:;|$)/i

/**
 * Connect's JSON codec reads a bare 9007199254740993 as …992. This hands it the same JSON with such
 * numbers in quotes, decompressed, for every protocol and for Connect GET. What it cannot read it
 * leaves for Connect to refuse, or refuses as Connect does. `maxBodyBytes` bounds each message.
 */
export function withExactIntegers(
  request: UniversalServerRequest,
  maxBodyBytes: number,
): UniversalServerRequest {
  if (request.method === 'GET') return { ...request, url: exactUrl(request.url) }
  const { body, header } = request
  if (!isByteStream(body)) return request
  const type = header.get('content-type') ?? ''
  if (unaryJson.test(type)) return withExactBody(request, body, maxBodyBytes)
  return envelopedJson.test(type) ? withExactEnvelopes(request, body, maxBodyBytes) : request
}

/** The compression that a request names; null for none, undefined for one that is not known. */
function compressionOf(name: string | null): Compression | null | undefined {
  if (name === null || name === 'identity') return null
  return [compressionGzip, compressionBrotli].find((each) => each.name === name)
}

function withExactBody(
  request: UniversalServerRequest,
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): UniversalServerRequest {
  const { header } = request
  const compression = compressionOf(header.get('content-encoding'))
  if (compression === undefined) return request
  header.delete('content-encoding')
  // Connect compares it with what it reads, which may now be longer.
  header.delete('content-length')
  return { ...request, body: exactBody(body, compression, maxBytes) }
}

async function* exactBody(
  body: AsyncIterable<Uint8Array>,
  compression: Compression | null,
  maxBytes: number,
) {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.byteLength
    // Past the limit Connect refuses what it has seen, so nothing more is to be kept.
    if (size > maxBytes) return yield* chunks
  }
  const bytes = Buffer.concat(chunks)
  yield exactJson(compression ? await compression.decompress(bytes, maxBytes) : bytes)
}

function withExactEnvelopes(
  request: UniversalServerRequest,
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): UniversalServerRequest {
  const { header } = request
  const compression = compressionOf(
    header.get('grpc-encoding') ?? header.get('connect-content-encoding'),
  )
  if (compression === undefined) return request
  const exact = pipe(
    body,
    transformSplitEnvelope(maxBytes),
    transformDecompressEnvelope(compression, maxBytes),
    exactEnvelopes,
    transformJoinEnvelopes(),
  )
  return { ...request, body: exact }
}

async function* exactEnvelopes(envelopes: AsyncIterable<EnvelopedMessage>) {
  for await (const { flags, data } of envelopes) yield { flags, data: exactJson(data) }
}

/** The JSON of one message with its large integers in quotes. Throws for what is not UTF-8 or too deep. */
export function exactJson(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  // Connect would put U+FFFD in the place of what it cannot read.
  if (!isUtf8(bytes)) throw new ConnectError('the body is not UTF-8', Code.InvalidArgument)
  const json = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  if (isTooDeep(json))
    throw new ConnectError(`the JSON has more than ${maxJsonDepth} levels`, Code.InvalidArgument)
  return Buffer.from(quoteUnsafeIntegers(json), 'latin1')
}

function exactUrl(url: string): string {
  if (!/\d{16}/.test(url)) return url
  const parsed = new URL(url)
  const { searchParams } = parsed
  const plain = !searchParams.has('base64') && !searchParams.has('compression')
  if (searchParams.get('encoding') !== 'json' || !plain) return url
  searchParams.set('message', quoteUnsafeIntegers(searchParams.get('message') ?? ''))
  return parsed.toString()
}
