import { create, toBinary } from '@bufbuild/protobuf'
import { type Code, ConnectError } from '@connectrpc/connect'
import {
  type BadRequest,
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
} from '../gen/google/rpc/error_details_pb.ts'
import { ownStatusOf, withStatus } from './status.ts'

// Clients of gRPC take 8 KiB of trailers by default, where the message is in percent escapes, and once
// more, with the details, in base64: 1536 + 4/3 * (1536 + 2048) and the error's own metadata.
const messageBytes = 1536
const detailsBytes = 2048
const headersBytes = 768
const maxDetails = 4
const maxEntries = 17
const keyBytes = 256
const valueBytes = 512

/** Room for the ellipsis and the length of the whole text, in the longer of both forms. */
const cutBytes = 48

type Weigh = (char: string) => number

/** Bytes in JSON, which are not fewer than in UTF-8. */
function inJson(char: string): number {
  if (char < ' ') return 6
  if (char === '"' || char === '\\') return 2
  return char < '\x80' ? 1 : Buffer.byteLength(char)
}

/** Bytes in percent escapes, or in JSON where those are more. */
function inEscapes(char: string): number {
  if (char < ' ') return 6
  return /[\w.!~*'()-]/.test(char) ? 1 : 3 * Buffer.byteLength(char)
}

/**
 * The text if it weighs no more than `max`, else its beginning, cut between code points, with its
 * length. Reads no more of it than it keeps; lone surrogates, which have no UTF-8, become U+FFFD.
 */
function shortened(text: string, max: number, weigh: Weigh): string {
  let weight = 0
  let at = 0
  let fits = 0
  for (const char of text) {
    weight += weigh(char)
    at += char.length
    if (weight <= max - cutBytes) fits = at
    if (weight <= max) continue
    if (fits === 0) return ''
    return `${text.slice(0, fits).toWellFormed()}… (${text.length} characters)`
  }
  return text.toWellFormed()
}

/** Cuts a text to the maximum size of a key in an error's metadata. */
export function shortenedKey(text: string): string {
  return shortened(text, keyBytes, inJson)
}

/** Makes a function that shortens texts until they use up `bytes` together; later ones are empty. */
function shared(bytes: number): (text: string, max: number) => string {
  let left = bytes
  return function take(text, max) {
    const kept = shortened(text, Math.min(max, left), inJson)
    for (const char of kept) left -= inJson(char)
    return kept
  }
}

type Detail = ConnectError['details'][number]

function boundedDetails(details: readonly Detail[]): Detail[] {
  const each = detailsBytes / Math.min(details.length, maxDetails)
  return details.slice(0, maxDetails).flatMap((detail) => boundedDetail(detail, each) ?? [])
}

/** Shortens the texts of a detail; undefined for one of an unknown type that is too large. */
function boundedDetail(detail: Detail, bytes: number): Detail | undefined {
  if (!('desc' in detail)) return detail.value.byteLength <= bytes ? detail : undefined
  const { desc, value } = detail
  switch (desc.typeName) {
    case ErrorInfoSchema.typeName:
      return { desc, value: boundedInfo(value, bytes) }
    case BadRequestSchema.typeName:
      return { desc, value: boundedRequest(value, bytes) }
    default:
      return toBinary(desc, create(desc, value)).byteLength <= bytes ? detail : undefined
  }
}

function boundedInfo(
  { reason = '', domain = '', metadata = {} }: Partial<ErrorInfo>,
  bytes: number,
) {
  const take = shared(bytes)
  const entries = Object.entries(metadata)
    .slice(0, maxEntries)
    .map(([key, value]) => [take(key, keyBytes), take(value, valueBytes)] as const)
    .filter(([key]) => key !== '')
  return {
    reason: shortenedKey(reason),
    domain: shortenedKey(domain),
    metadata: Object.fromEntries(entries),
  }
}

function boundedRequest({ fieldViolations = [] }: Partial<BadRequest>, bytes: number) {
  const take = shared(bytes)
  return {
    fieldViolations: fieldViolations
      .slice(0, maxEntries)
      .map(({ field, description }) => ({
        field: take(field, keyBytes),
        description: take(description, valueBytes),
      }))
      .filter(({ description }) => description !== ''),
  }
}

type FieldsInit = ConstructorParameters<typeof Headers>[0]

/** The header fields, in order, that fit into the maximum size. */
function boundedHeaders(init: FieldsInit): Headers {
  const kept = new Headers()
  let left = headersBytes
  new Headers(init).forEach((value, name) => {
    left -= name.length + value.length
    if (left >= 0) kept.append(name, value)
  })
  return kept
}

interface ErrorInit {
  code: Code
  message: string
  headers?: FieldsInit
  details: readonly Detail[]
  cause?: unknown
}

const made = new WeakSet<ConnectError>()

/**
 * Makes an error of at most 8 KiB of trailers, whatever its texts quote. The cost does not grow with
 * the length of the texts.
 */
export function boundedError({ code, message, headers, details, cause }: ErrorInit): ConnectError {
  const text = shortened(message, messageBytes, inEscapes)
  const fields = headers === undefined ? undefined : boundedHeaders(headers)
  const error = new ConnectError(text, code, fields, boundedDetails(details) as never, cause)
  made.add(error)
  return error
}

/** Bounds an error that boundedError did not make, such as one that a handler throws. */
export function bounded(error: ConnectError): ConnectError {
  if (made.has(error)) return error
  const { code, rawMessage: message, metadata: headers, details, cause, stack, isWireError } = error
  const small = boundedError({ code, message, headers, details, cause })
  return withStatus(Object.assign(small, { stack, isWireError }), ownStatusOf(error))
}
