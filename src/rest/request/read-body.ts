import type { FastifyReply, FastifyRequest } from 'fastify'
import { codingOf, decompressed } from './decompress.ts'
import { bodyTooLarge, unsupportedMediaType } from '../errors.ts'
import { decodingTurn } from '../../call/message/decoding-turn.ts'
import { onlyMessage, readBody } from '../../call/read-body.ts'
import type { HttpBinding } from '../route/rules.ts'
import { type BodyFormat, bodyFormat, type BodyTypes } from '../media-type.ts'

/** A body without its content coding; empty if there is none. */
export interface ReceivedBody {
  bytes: Uint8Array
  format: BodyFormat
}

/** The body of a request that has none. */
export const noBody: ReceivedBody = { bytes: new Uint8Array(), format: 'json' }

/** A body of these methods has no meaning (RFC 9110, 9.3) unless their rule gives it one. */
export function isBodyIgnored({ method }: FastifyRequest, { body }: HttpBinding): boolean {
  return body === '' && ['GET', 'HEAD', 'DELETE'].includes(method)
}

/**
 * The body of a request, decompressed, and what it is by its content type; headers of an absent body
 * do not matter. Throws UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE, MALFORMED_BODY.
 */
export async function receivedBody(
  request: FastifyRequest,
  reply: FastifyReply,
  limit: number,
  types: BodyTypes,
): Promise<ReceivedBody> {
  const bytes = await rawBody(request, reply, limit)
  if (bytes.byteLength === 0) return noBody
  const { format, coding } = formOf(request, types)
  const body = await decompressed(bytes, coding, limit)
  const turn = decodingTurn(body)
  if (turn) await turn
  return { format, bytes: body }
}

/**
 * Throws UNSUPPORTED_MEDIA_TYPE for a body that receivedBody would refuse by its type or its coding,
 * if the head tells that there is one: by its length, or since the client waits for 100 Continue,
 * which needs content (RFC 9110, 10.1.1). Any other body may turn out to be empty.
 */
export function refuseByForm(request: FastifyRequest, types: BodyTypes): void {
  const { 'content-length': length, expect } = request.headers
  if (length === undefined ? expect !== undefined : Number(length) > 0) formOf(request, types)
}

/** The format and coding of a body by its headers. Throws UNSUPPORTED_MEDIA_TYPE. */
export function formOf({ headers }: FastifyRequest, types: BodyTypes) {
  const { 'content-type': type, 'content-encoding': encoding } = headers
  const format = bodyFormat(type, types)
  if (format === undefined) throw unsupportedMediaType(type ?? '', types)
  return { format, coding: codingOf(encoding) }
}

/** Whether the request has, or may have, a body. */
export function mayHaveBody({ raw, headers, body }: FastifyRequest): boolean {
  if (body !== undefined) return true
  if ('stream' in raw) return !(raw.stream as { endAfterHeaders?: boolean }).endAfterHeaders
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** The bytes of a body that Fastify wants to be read before the handler. Throws BODY_TOO_LARGE. */
export async function wholeBody(request: FastifyRequest, limit: number): Promise<Uint8Array> {
  if (Number(request.headers['content-length']) > limit) throw bodyTooLarge(limit)
  const { body, remaining } = await readBody(request.raw, onlyMessage, limit)
  if (remaining !== undefined) throw bodyTooLarge(limit)
  return body
}

/**
 * The bytes of a body, as sent. Fastify leaves some bodies unread: over HTTP/2 those without a type and
 * a length, and GET's. Throws BODY_TOO_LARGE.
 */
export async function rawBody(
  request: FastifyRequest,
  reply: FastifyReply,
  limit: number,
): Promise<Uint8Array> {
  if (request.body instanceof Uint8Array) return request.body
  const { body, remaining } = await readBody(request.raw, onlyMessage, limit)
  if (remaining === undefined) return body
  if (request.raw.httpVersionMajor === 1) void reply.header('connection', 'close')
  throw bodyTooLarge(limit)
}
