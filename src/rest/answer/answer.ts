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

/** What the client accepts, decided before its call is made. */
export interface Acceptance {
  type: AnswerType
  coding: CodingChoice
}

/** An answer that is no error. */
interface Answer {
  acceptance: Acceptance
  message: Message
  /** A string, since node:http writes it in one piece with the headers. */
  json: string
  /** Answers of fewer bytes are not compressed. */
  compressFrom: number
}

/** Sends an answer: conditional on GET and HEAD, and in the coding that the client likes best. */
export function sendAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  call: UnaryCall,
  { acceptance, message, json, compressFrom }: Answer,
): void {
  const { type, coding: choice } = acceptance
  const status = call.answerStatus ?? 200
  copyMetadata(request, reply, call)
  vary(reply, 'Accept, Accept-Encoding')
  const coding = isWorth(choice, json, compressFrom) ? choice.coding : undefined
  const reads = request.method === 'GET' || request.method === 'HEAD'
  if (status === 200 && (reads || request.method === 'PATCH')) {
    const given = givenTag(reply, message) ?? (reads ? computedTag(json) : undefined)
    const tag = given && variantTag(given, type, coding)
    if (tag) void reply.header('etag', tag)
    if (tag && reads && isHeld(request, tag)) return void reply.code(304).send()
  }
  void reply.code(status).header('content-type', type)
  if (coding === undefined) return void reply.serializer(asItIs).send(json)
  compressed(json, coding).then(
    (smaller) => void reply.header('content-encoding', coding).send(smaller),
    (err: unknown) => void reply.send(err),
  )
}

/** Without a serializer of its own, Fastify would add a charset to the type of a string. */
function asItIs(payload: string): string {
  return payload
}

function isWorth(choice: CodingChoice, json: string, compressFrom: number): boolean {
  if (choice.coding === undefined) return false
  return !choice.identity || Buffer.byteLength(json) >= compressFrom
}

/** Whether the client has what it asks for. Throws PRECONDITION_FAILED if it wants only another state. */
function isHeld({ headers }: FastifyRequest, tag: string): boolean {
  const { 'if-match': wanted, 'if-none-match': held } = headers
  if (wanted !== undefined && !namesState(wanted, tag))
    throw preconditionFailed('If-Match does not name the state of what was asked for')
  return held !== undefined && namesTag(held, tag)
}

/** The validator by the handler's own header or by the reply's field `etag` (AIP-154). */
function givenTag(reply: FastifyReply, message: Message): string | undefined {
  const header = reply.getHeader('etag')
  const field = 'etag' in message ? message.etag : undefined
  const given = header ?? field
  return typeof given === 'string' ? quotedTag(given) : undefined
}

interface ErrorContext {
  observer: RestObserver | undefined
  /** Gives a field the name under which this client sent it. */
  sent?: (field: string) => string
  /** Has what the handler set for the answer. */
  call?: UnaryCall
}

/** Sends an error in the one body; its metadata become headers, RetryInfo becomes Retry-After. */
export function sendError(
  request: FastifyRequest,
  reply: FastifyReply,
  given: ConnectError,
  { observer, sent = (field) => field, call }: ErrorContext,
): void {
  const error = bounded(given)
  const body = errorBody(error, sent)
  observer?.error(request, error, body.code, body.reason)
  if (call) copyMetadata(request, reply, call)
  const retryAfter = retryAfterSeconds(error)
  if (retryAfter !== undefined) void reply.header('retry-after', `${retryAfter}`)
  error.metadata.forEach((value, name) => {
    if (leaves(name, value)) void reply.header(name, value)
  })
  vary(reply, 'Accept')
  // Fastify's own after a body that was not read to its end; HTTP/2 has no such header.
  if (request.raw.httpVersionMajor > 1) void reply.removeHeader('connection')
  const type = answerType(request.headers.accept) ?? 'application/json'
  void reply.code(body.code).header('content-type', type).send(jsonBytes(body))
}

function vary(reply: FastifyReply, names: string): void {
  void reply.header('vary', mergedVary(reply.getHeader('vary'), names))
}

function copyMetadata(
  request: FastifyRequest,
  reply: FastifyReply,
  { answerHeaders, answerTrailers }: UnaryCall,
): void {
  answerHeaders?.forEach((value, name) => {
    if (leaves(name, value))
      void reply.header(name, name === 'vary' ? mergedVary(reply.getHeader('vary'), value) : value)
  })
  const real = answerTrailers !== undefined && takesTrailers(request)
  answerTrailers?.forEach((value, name) => {
    if (!leaves(name, value)) return
    if (real) void reply.trailer(name, (_reply, _payload, done) => done(null, value))
    else void reply.header(`trailer-${name}`, value)
  })
}

/**
 * Whether a header or trailer may leave. Throws for a value that node:http would refuse only when
 * it writes the answer, and then the error's answer too.
 */
function leaves(name: string, value: string): boolean {
  validateHeaderValue(name, value)
  return mayLeave(name)
}

/** Without TE, or with nothing for them to trail, trailers go before, as Connect's do. */
function takesTrailers({ headers, method, raw }: FastifyRequest): boolean {
  return (
    method !== 'HEAD' && raw.httpVersion !== '1.0' && listsToken(headers.te?.toString(), 'trailers')
  )
}
