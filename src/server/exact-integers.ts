import { isUtf8 } from 'node:buffer'
import { Code, ConnectError } from '@connectrpc/connect'
import type { UniversalServerRequest } from '@connectrpc/connect/protocol'
import { quoteUnsafeIntegers } from '../rest/json.ts'
import { isByteStream } from './unread-body.ts'

/**
 * Connect's JSON codec reads a bare 9007199254740993 as …992. This hands it the same JSON with such
 * numbers in quotes, for unary JSON in a POST body (not compressed) and in a Connect GET.
 */
export function withExactIntegers(
  request: UniversalServerRequest,
  maxBodyBytes: number,
): UniversalServerRequest {
  if (request.method === 'GET') return { ...request, url: exactUrl(request.url) }
  const { body, header } = request
  const isJson = /^application\/json(?:;|$)/i.test(header.get('content-type') ?? '')
  if (!isJson || header.has('content-encoding') || !isByteStream(body)) return request
  // Connect compares it with what it reads, which may now be longer.
  header.delete('content-length')
  return { ...request, body: exactBody(body, maxBodyBytes) }
}

async function* exactBody(body: AsyncIterable<Uint8Array>, maxBytes: number) {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    size += chunk.byteLength
    // Past the limit Connect refuses what it has seen, so nothing more is to be kept.
    if (size > maxBytes) break
  }
  const bytes = Buffer.concat(chunks)
  // Connect would put U+FFFD in the place of what it cannot read.
  if (!isUtf8(bytes)) throw new ConnectError('the body is not UTF-8', Code.InvalidArgument)
  const json = bytes.toString('latin1')
  const exact = quoteUnsafeIntegers(json)
  yield exact === json ? bytes : Buffer.from(exact, 'latin1')
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
