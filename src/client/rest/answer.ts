import type { IncomingMessage } from 'node:http'
import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  type Registry,
} from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import { messageFromJson } from '../../call/message/json-message.ts'
import { answerError } from './answer-error.ts'
import type { Dialect } from './dialect.ts'
import type { Answer } from './exchange.ts'
import { mediaTypeOf } from './headers.ts'
import { connectionError } from './lost.ts'

/** How answers are read. */
export interface ReadOptions {
  dialect: Dialect
  /** The maximum bytes of one message as JSON. */
  maxBytes: number
  /** The messages that google.protobuf.Any may hold. */
  types?: Registry | undefined
}

/** The call that an answer is for, as messages name it. */
export interface About {
  /** Such as `GET http://10.0.0.1:8000/v1/books/{id}`. */
  call: string
  output: DescMessage
  /** The field that the answer is, if not the whole message. */
  field: DescField | undefined
}

// The page of a proxy may be long, and a caller has no use for it.
const maxErrorBytes = 64 * 1024

/**
 * The message of a unary answer. Throws the error that a peer answers with, internal for an answer
 * that is no JSON of the message, resource_exhausted for one beyond the limit, unavailable for one
 * that breaks off.
 */
export async function readMessage(
  { request, response }: Answer,
  about: About,
  options: ReadOptions,
): Promise<Message> {
  const bytes = await readBytes(response, options.maxBytes)
  if (!request.writableEnded) request.destroy()
  if (bytes === undefined) throw tooLarge(about, options)
  if (response.statusCode === 204) return create(about.output)
  refuseOtherTypes(response, about, bytes)
  const text = decoded(bytes, about)
  if (text === '' && about.output.fields.length === 0) return create(about.output)
  return parsed(text, about, options)
}

/** The error of an answer whose status is not of success. */
export async function readFailure(
  { request, response }: Answer,
  { call }: About,
  { dialect }: ReadOptions,
): Promise<ConnectError> {
  const { statusCode: status = 0, headers } = response
  const bytes = await readBytes(response, maxErrorBytes).catch(() => undefined)
  if (!request.writableEnded) request.destroy()
  return answerError({ status, headers, text: bytes?.toString() ?? '', call }, dialect)
}

function refuseOtherTypes({ headers }: IncomingMessage, { call }: About, bytes: Buffer): void {
  const type = mediaTypeOf(headers)
  const coding = headers['content-encoding'] ?? 'identity'
  if (coding !== 'identity') throw unreadable(call, `its content coding is ${coding}`)
  if (/^application\/(?:json|protojson|[\w.-]+\+json)$/.test(type)) return
  if (type === '' && bytes.byteLength === 0) return
  throw unreadable(call, `its content type is ${type || 'missing'}`, beginning(bytes))
}

/** Reads the JSON of a message, or of the field that the answer is. Throws internal. */
export function parsed(
  text: string,
  { call, output, field }: About,
  { types }: ReadOptions,
): Message {
  const options = { ignoreUnknownFields: true, ...(types && { registry: types }) }
  try {
    if (field === undefined) return messageFromJson(output, text, options)
    // A text that is no JSON value could otherwise name other fields.
    JSON.parse(text)
    return messageFromJson(output, `{${JSON.stringify(field.jsonName)}:${text}}`, options)
  } catch (cause) {
    const problem = cause instanceof ConnectError ? cause.rawMessage : 'it is not JSON'
    throw unreadable(call, problem, cause)
  }
}

/** The error of an answer that cannot be read; the cause stays in the process. */
export function unreadable(
  call: string,
  problem: string,
  cause: unknown = new Error(problem),
): ConnectError {
  const message = `the answer to ${call} cannot be read: ${problem}`
  const error = new ConnectError(message, Code.Internal, undefined, undefined, cause)
  return Object.assign(error, { isWireError: true })
}

function beginning(bytes: Buffer): Error {
  return new Error(`it begins with ${JSON.stringify(bytes.toString('utf8', 0, 200))}`)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function decoded(bytes: Buffer, { call }: About): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw unreadable(call, 'it is not UTF-8', cause)
  }
}

/** The error of a message beyond the limit. */
export function tooLarge({ call }: Pick<About, 'call'>, { maxBytes }: ReadOptions): ConnectError {
  const message = `the answer to ${call} has a message of more than ${maxBytes} bytes`
  const cause = new Error(message)
  const error = new ConnectError(message, Code.ResourceExhausted, undefined, undefined, cause)
  return Object.assign(error, { isWireError: true })
}

/** Undefined for more than `maxBytes`; the connection is closed then. */
function readBytes(response: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>()
  const chunks: Buffer[] = []
  let size = 0
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.byteLength
    if (size <= maxBytes) return
    resolve(undefined)
    response.destroy()
  })
  response.once('end', () => resolve(Buffer.concat(chunks)))
  response.once('error', (err) => reject(connectionError(err, { sent: true })))
  response.once('close', () => reject(connectionError(brokenOff(), { sent: true })))
  return promise
}

function brokenOff(): Error {
  return Object.assign(new Error('the answer broke off'), { code: 'ECONNRESET' })
}
