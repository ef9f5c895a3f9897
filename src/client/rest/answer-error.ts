import type { IncomingHttpHeaders } from 'node:http'
import { Code, ConnectError } from '@connectrpc/connect'
import { withStatus } from '../../call/status.ts'
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts'
import { isObject } from '../../text/json-object.ts'
import type { Dialect } from './dialect.ts'
import { answerHeaders } from './headers.ts'

/** An answer that is no success, read to its end or to the limit of error bodies. */
interface Failure {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** The call in messages, such as `GET http://10.0.0.1:8000/v1/books/{id}`. */
  call: string
}

/** Kratos' errors.Status. */
interface Status {
  reason: string
  message: string
  metadata: Record<string, string>
}

const codeOfStatus: Record<number, Code> = {
  400: Code.InvalidArgument,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.NotFound,
  409: Code.Aborted,
  429: Code.ResourceExhausted,
  499: Code.Canceled,
  500: Code.Internal,
  501: Code.Unimplemented,
  503: Code.Unavailable,
  504: Code.DeadlineExceeded,
}

/** The code of an HTTP status as Kratos has it, in transport/http/status of that version. */
function codeOf(status: number, dialect: Dialect): Code {
  if (status === 412 && dialect === 'kratos3') return Code.FailedPrecondition
  return codeOfStatus[status] ?? Code.Unknown
}

/** Statuses that say something else if no service wrote them: nothing there knows the method. */
const codeOfForeignStatus: Record<number, Code> = {
  404: Code.Unimplemented,
  405: Code.Unimplemented,
  502: Code.Unavailable,
}

/** The part of a foreign page that is kept for the log. */
const shownCharacters = 200

/**
 * The error of an answer that is no success: with ErrorInfo if the body is Kratos' error; if not, as
 * with the page of a proxy, the message has the status and the cause the beginning of the page.
 */
export function answerError(failure: Failure, dialect: Dialect): ConnectError {
  const status = readStatus(failure.text)
  return status ? errorOfStatus(failure, status, dialect) : foreignError(failure, dialect)
}

function errorOfStatus(
  { status, headers }: Pick<Failure, 'status' | 'headers'>,
  { reason, message, metadata }: Status,
  dialect: Dialect,
): ConnectError {
  const details = [{ desc: ErrorInfoSchema, value: { reason, metadata } }]
  return fromWire(
    new ConnectError(message, codeOf(status, dialect), answerHeaders(headers), details),
    status,
  )
}

/** Marks an error as the peer's, so that its headers are not taken for those of an answer of ours. */
function fromWire(error: ConnectError, status: number): ConnectError {
  return withStatus(Object.assign(error, { isWireError: true }), status)
}

function foreignError({ status, headers, text, call }: Failure, dialect: Dialect): ConnectError {
  const type = headers['content-type'] ?? 'no content type'
  const where = headers.location === undefined ? '' : ` and leads to ${headers.location}`
  const message = `${call} was answered with ${status}${where}, and the body (${type}) is no error of Kratos`
  const code = codeOfForeignStatus[status] ?? codeOf(status, dialect)
  const shown = text.slice(0, shownCharacters)
  const cause = new Error(`the body begins with ${JSON.stringify(shown)}`)
  return fromWire(new ConnectError(message, code, answerHeaders(headers), undefined, cause), status)
}

/**
 * The error inside a stream, whose status line said 200: `code` of the body is an HTTP status.
 * Undefined if the text is no error of Kratos.
 */
export function streamedError(text: string, dialect: Dialect): ConnectError | undefined {
  const status = readStatus(text)
  if (status === undefined) return undefined
  const { code } = JSON.parse(text) as { code?: unknown }
  const known = typeof code === 'number' && code >= 400 && code < 600
  return errorOfStatus({ status: known ? code : 500, headers: {} }, status, dialect)
}

/** Go's JSON leaves out what is empty, so one of the keys is enough. */
function readStatus(text: string): Status | undefined {
  const json = parsed(text)
  if (!isObject(json)) return undefined
  const { code, reason = '', message = '', metadata } = json
  const named = typeof code === 'number' || typeof json.reason === 'string'
  if (!named || typeof reason !== 'string' || typeof message !== 'string') return undefined
  return { reason, message, metadata: texts(metadata) }
}

function texts(metadata: unknown): Record<string, string> {
  if (!isObject(metadata)) return {}
  return Object.fromEntries(
    Object.entries(metadata).filter((entry): entry is [string, string] => {
      return typeof entry[1] === 'string'
    }),
  )
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
