import { validateHeaderValue } from 'node:http'
import type { Message } from '@bufbuild/protobuf'
import type { ConnectError } from '@connectrpc/connect'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { compressed } from './compress.ts'
import type { UnaryCall } from '../../call/context.ts'
import { jsonBytes } from './encode.ts'
import { bounded } from '../../call/error-bounds.ts'
import { errorBody, preconditionFailed } from '../errors.ts'
import { retryAfterSeconds } from '../../call/refusal.ts'
import { computedTag, namesState, namesTag, quotedTag } from './etag.ts'
import { variantTag } from '../etag-variants.ts'
import { mayLeave, mergedVary } from '../../call/headers.ts'
import { answerType, type AnswerType, type CodingChoice, listsToken } from './negotiate.ts'
import type { RestObserver } from '../options.ts'

/** The type and coding that the client accepts, decided before the method is called. */
export interface Acceptance {
  type: AnswerType
  coding: CodingChoice
}

/** The answer of a call that succeeded. */
interface Answer {
  acceptance: Acceptance
  message: Message
  /** A string, since node:http writes a string together with the headers in one piece. */
  json: string
  /** Answers of fewer bytes are not compressed. */
  compressFrom: number
}

/**
 * Sends the answer of a call that succeeded, in the accepted type and coding. GET and HEAD are
 * answered with 304 if If-None-Match names the answer's tag. Throws PRECONDITION_FAILED if If-Match
 * does not.
 */
export function sendAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  call: UnaryCall,
  { acceptance, message, json, compressFrom }: Answer,
): void {
  const { type, coding: choice } = acceptance
  const status = call.answerStatus ?? 200
  copyHeaders(reply, call)
  vary(reply, 'Accept, Accept-Encoding')
  const coding = isWorth(choice, json, compressFrom) ? choice.coding : undefined
  const reads = request.method === 'GET' || request.method === 'HEAD'
  if (status === 200 && (reads || request.method === 'PATCH')) {
    const given = givenTag(reply, message) ?? (reads ? computedTag(json) : undefined)
    const tag = given && variantTag(given, type, coding)
    if (tag) void reply.header('etag', tag)
    if (tag && reads && isHeld(request, tag)) {
      copyTrailers(request, reply.code(304), call)
      return void reply.send()
    }
  }
  copyTrailers(request, reply.code(status).header('content-type', type), call)
  if (coding === undefined) return void reply.serializer(asItIs).send(json)
  compressed(json, coding).then(
    (smaller) => void reply.header('content-encoding', coding).send(smaller),
    (err: unknown) => void reply.send(err),
  )
}

/** A reply without a serializer of its own gets a charset added to its content type by Fastify. */
function asItIs(payload: string): string {
  return payload
}

function isWorth(choice: CodingChoice, json: string, compressFrom: number): boolean {
  if (choice.coding === undefined) return false
  return !choice.identity || Buffer.byteLength(json) >= compressFrom
}

/**
 * Whether the client holds this state already. Throws PRECONDITION_FAILED if If-Match names
 * another.
 */
function isHeld({ headers }: FastifyRequest, tag: string): boolean {
  const { 'if-match': wanted, 'if-none-match': held } = headers
  if (wanted !== undefined && !namesState(wanted, tag))
    throw preconditionFailed('If-Match does not name the state of what was asked for')
  return held !== undefined && namesTag(held, tag)
}

/** The tag from the handler's own ETag header or from the reply's field `etag` (AIP-154). */
function givenTag(reply: FastifyReply, message: Message): string | undefined {
  const header = reply.getHeader('etag')
  const field = 'etag' in message ? message.etag : undefined
  const given = header ?? field
  return typeof given === 'string' ? quotedTag(given) : undefined
}

interface ErrorContext {
  observer: RestObserver | undefined
  /** Maps a field path in proto names to the name that this client sent. */
  sent?: (field: string) => string
  /** The call, if there was one: the headers and trailers that its handler set are sent, too. */
  call?: UnaryCall
}

/**
 * Sends an error in the body that all errors have (see errorBody). The metadata of the error become
 * headers, and RetryInfo becomes Retry-After.
 */
export function sendError(
  request: FastifyRequest,
  reply: FastifyReply,
  given: ConnectError,
  { observer, sent = (field) => field, call }: ErrorContext,
): void {
  const error = bounded(given)
  const body = errorBody(error, sent)
  observer?.error(request, error, body.code, body.reason)
  void reply.code(body.code)
  if (call) {
    copyHeaders(reply, call)
    copyTrailers(request, reply, call)
  }
  const retryAfter = retryAfterSeconds(error)
  if (retryAfter !== undefined) void reply.header('retry-after', `${retryAfter}`)
  // Those of another service's error are not for our client.
  if (!error.isWireError)
    error.metadata.forEach((value, name) => {
      if (leaves(name, value)) void reply.header(name, value)
    })
  vary(reply, 'Accept')
  // Fastify sets it after a body that was not read to its end; HTTP/2 has no such header.
  if (request.raw.httpVersionMajor > 1) void reply.removeHeader('connection')
  const type = answerType(request.headers.accept) ?? 'application/json'
  void reply.header('content-type', type).send(jsonBytes(body))
}

/** Adds names to the Vary header of an answer. */
export function vary(reply: FastifyReply, names: string): void {
  void reply.header('vary', mergedVary(reply.getHeader('vary'), names))
}

/** Sets the trailers that handler and interceptors gave, once the status of the answer is set. */
function copyTrailers(
  request: FastifyRequest,
  reply: FastifyReply,
  { answerTrailers }: UnaryCall,
): void {
  answerTrailers?.forEach((value, name) => {
    if (!leaves(name, value)) return
    const follows = hasBody(reply) && takesTrailers(request) && addTrailer(reply, name, value)
    if (!follows) void reply.header(`trailer-${name}`, value)
  })
}

function hasBody({ statusCode }: FastifyReply): boolean {
  return statusCode !== 204 && statusCode !== 304
}

/** Adds a trailer if its name may be one (RFC 9110, 6.5.1). Fastify knows that: it throws for others. */
function addTrailer(reply: FastifyReply, name: string, value: string): boolean {
  try {
    void reply.trailer(name, (_reply, _payload, done) => done(null, value))
    return true
  } catch {
    return false
  }
}

/** Sets the headers that handler and interceptors gave. Throws for one that cannot be sent. */
export function copyHeaders(reply: FastifyReply, { answerHeaders }: UnaryCall): void {
  answerHeaders?.forEach((value, name) => {
    if (leaves(name, value))
      void reply.header(name, name === 'vary' ? mergedVary(reply.getHeader('vary'), value) : value)
  })
}

/** The trailers that can follow the body of an answer whose headers are sent. */
export function lateTrailers(
  request: FastifyRequest,
  { answerTrailers }: UnaryCall,
): Record<string, string> {
  if (answerTrailers === undefined || !takesTrailers(request)) return {}
  return Object.fromEntries([...answerTrailers].filter(([name, value]) => leaves(name, value)))
}

/**
 * Whether a header or trailer may be sent. Throws for a value that node:http does not accept:
 * thrown later, while the answer is written, the error could not be answered either.
 */
function leaves(name: string, value: string): boolean {
  validateHeaderValue(name, value)
  return mayLeave(name)
}

/**
 * Whether trailers can follow a body: the client sent `TE: trailers`, and HTTP allows them
 * after this answer. If not, they are sent as headers named `trailer-…`, as the Connect protocol
 * does.
 */
function takesTrailers({ headers, method, raw }: FastifyRequest): boolean {
  return (
    method !== 'HEAD' && raw.httpVersion !== '1.0' && listsToken(headers.te?.toString(), 'trailers')
  )
}
