import { Code, type ConnectError } from '@connectrpc/connect'
import type { UniversalServerRequest, UniversalServerResponse } from '@connectrpc/connect/protocol'
import { refusal } from '../../call/refusal.ts'
import type { MessageBody } from '../../call/read-body.ts'
import { isByteStream } from './unread-body.ts'

/**
 * gRPC-Web in base64, which protoc-gen-grpc-web's clients speak unless they are told otherwise, and
 * Connect does not know. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
 */
export const textTypes = ['application/grpc-web-text', 'application/grpc-web-text+proto'] as const
/** The type of all answers in base64. */
export const textAnswerType = textTypes[1]

/** Whether a content type is gRPC-Web in base64. */
export function isText(contentType: string): boolean {
  return /^application\/grpc-web-text(?:\+proto)?$/i.test(contentType)
}

/** Turns a request in base64 into one of gRPC-Web, whose body throws MALFORMED_BODY. Others are unchanged. */
export function decodedRequest(request: UniversalServerRequest): UniversalServerRequest {
  const { header, body } = request
  if (!isText(header.get('content-type') ?? '') || !isByteStream(body)) return request
  header.set('content-type', 'application/grpc-web+proto')
  return { ...request, body: decodedBody(body) }
}

/** Turns an answer of gRPC-Web into base64. Each chunk has its own padding. */
export function encodedResponse(response: UniversalServerResponse): UniversalServerResponse {
  const { header, body } = response
  // An error of HTTP is JSON.
  if (!body || !header?.get('content-type')?.startsWith('application/grpc-web')) return response
  header.set('content-type', textAnswerType)
  return { ...response, body: encodedBody(body) }
}

/** The reader of one message in base64, made from the reader of the decoded body. */
export function inText(binary: MessageBody): MessageBody {
  const headBytes = textLength(binary.headBytes)
  return {
    headBytes,
    limitOf(text, maxBytes) {
      const head = decoded(text.toString('latin1', 0, headBytes))
      // A body of several texts may be longer, and is left for Connect.
      const isWhole = head !== undefined && head.byteLength >= binary.headBytes
      return isWhole ? textLength(binary.limitOf(head, maxBytes)) : 0
    },
    messageOf(body) {
      const bytes = decoded(body.toString('latin1'))
      return bytes && binary.messageOf(bytes)
    },
  }
}

/** Encodes bytes in base64. */
export function encoded(bytes: Uint8Array): Buffer {
  return Buffer.from(Buffer.from(bytes).toString('base64'), 'latin1')
}

/** The length of `bytes` bytes in base64. */
function textLength(bytes: number): number {
  return 4 * Math.ceil(bytes / 3)
}

/** Decodes one or several texts in a row, each with its padding; undefined if one is not base64. */
function decoded(text: string): Buffer | undefined {
  const bytes: Buffer[] = []
  for (const part of text.match(/[^=]+=*|=+/g) ?? []) {
    const each = Buffer.from(part, 'base64')
    // Buffer.from skips invalid characters.
    if (each.toString('base64') !== part) return undefined
    bytes.push(each)
  }
  return Buffer.concat(bytes)
}

async function* decodedBody(body: AsyncIterable<Uint8Array>) {
  let remaining = ''
  for await (const chunk of body) {
    const text = remaining + Buffer.from(chunk).toString('latin1')
    const end = text.length - (text.length % 4)
    remaining = text.slice(end)
    const bytes = decoded(text.slice(0, end))
    if (bytes === undefined) throw malformed()
    yield bytes
  }
  if (remaining !== '') throw malformed()
}

async function* encodedBody(body: AsyncIterable<Uint8Array>) {
  for await (const chunk of body) yield encoded(chunk)
}

function malformed(): ConnectError {
  return refusal(
    Code.InvalidArgument,
    'MALFORMED_BODY',
    'the body is no base64 with padding, which its content type application/grpc-web-text says it is',
  )
}
