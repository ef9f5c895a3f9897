import { Code, ConnectError } from '@connectrpc/connect'
import { BadRequestSchema, ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts'
import { boundedError, shortenedKey } from '../call/error-bounds.ts'
import { refusal, rulesByField } from '../call/refusal.ts'
import { type BodyTypes, commonTypes } from './media-type.ts'
import { ownStatusOf, statusOf, withStatus } from '../call/status.ts'
import { upperCodeName } from '../text/code-name.ts'

/** No template matches the path: 404. `elsewhere` says where it is served, if that is known. */
export const routeNotFound = (method: string, path: string, elsewhere = ''): ConnectError =>
  refusal(
    Code.Unimplemented,
    'ROUTE_NOT_FOUND',
    `there is no route ${method} ${path}${elsewhere && `; ${elsewhere}`}`,
    { status: 404 },
  )

/** The path exists for the HTTP methods in `allow`, a list for the Allow header: 405. */
export const methodNotAllowed = (method: string, allow: string): ConnectError =>
  refusal(
    Code.Unimplemented,
    'METHOD_NOT_ALLOWED',
    allow === ''
      ? `${method} is not allowed`
      : `${method} is not allowed here; allowed are ${allow}`,
    { status: 405, headers: { Allow: allow } },
  )

/** The path or the query cannot be decoded: 400. */
export const malformedUrl = (): ConnectError =>
  refusal(
    Code.InvalidArgument,
    'MALFORMED_URL',
    'the path or the query has a broken percent escape or is not UTF-8',
  )

/** The body's content type is none of `list`, which the answer's `header` repeats: 415. */
export const unsupportedMediaType = (given: string, { header, list }: BodyTypes): ConnectError =>
  refusal(
    Code.InvalidArgument,
    'UNSUPPORTED_MEDIA_TYPE',
    `the body's content type is ${given || 'not given'}; accepted are ${list}`,
    { status: 415, headers: { [header]: list } },
  )

/** A condition of the request, such as If-Match, does not hold and nothing was changed: 412. */
export const preconditionFailed = (message: string): ConnectError =>
  refusal(Code.Aborted, 'PRECONDITION_FAILED', message, { status: 412 })

/**
 * The error of a method that compares entity tags, with status 412 if its code is ABORTED, which
 * AIP-154 requires for a tag that differs. Other errors are returned unchanged.
 */
export function asPreconditionFailed(error: ConnectError): ConnectError {
  if (error.code !== Code.Aborted) return error
  const { code, rawMessage: message, metadata: headers, details, cause } = error
  return withStatus(boundedError({ code, message, headers, details, cause }), 412)
}

/**
 * Parameters are not acceptable: 400. `rules` maps each name, as it was sent, to the rule it
 * breaks.
 */
export function invalidParameters(rules: Record<string, string>): ConnectError {
  const message = Object.entries(rules)
    .map(([name, rule]) => `${name}: ${rule}`)
    .join('; ')
  return refusal(Code.InvalidArgument, 'INVALID_PARAMETER', message, { metadata: rules })
}

/** The body's content coding is none of `accepted`: 415. */
export const unsupportedEncoding = (given: string, accepted: readonly string[]): ConnectError =>
  refusal(
    Code.InvalidArgument,
    'UNSUPPORTED_MEDIA_TYPE',
    `the body's content encoding is ${given}; accepted are identity, ${accepted.join(', ')}`,
    { status: 415, headers: { 'Accept-Encoding': accepted.join(', ') } },
  )

/** The header, such as Accept, with the value `given` excludes everything in `offered`: 406. */
export const notAcceptable = (header: string, given: string, offered: string): ConnectError =>
  refusal(
    Code.InvalidArgument,
    'NOT_ACCEPTABLE',
    `${header} is ${given}; what can be given is ${offered}`,
    { status: 406 },
  )

/** The body, or one message of it, as sent or decompressed, has more than `limit` bytes: 413. */
export const bodyTooLarge = (limit: number, what: 'body' | 'message' = 'body'): ConnectError =>
  refusal(
    Code.ResourceExhausted,
    'BODY_TOO_LARGE',
    `the ${what} is larger than ${limit} bytes, the most that is accepted`,
    { status: 413 },
  )

/**
 * The error of one message among many, with the place of the message before its text. Other errors are
 * returned unchanged.
 */
export function placed(err: unknown, place: string): unknown {
  if (!(err instanceof ConnectError)) return err
  const { code, rawMessage, metadata: headers, details, cause } = err
  const message = `${place}: ${rawMessage}`
  return withStatus(boundedError({ code, message, headers, details, cause }), ownStatusOf(err))
}

const malformedRequest = (message: string, cause: unknown): ConnectError =>
  refusal(Code.InvalidArgument, 'MALFORMED_REQUEST', message, { cause })

/**
 * Maps an error of Fastify or of a handler to the ConnectError of the answer. An unknown error
 * becomes INTERNAL: it is kept as the cause and is not sent. `bodyLimit` (bytes) and `types` are
 * named in the answers to a body that is too large or of another content type.
 */
export function restError(err: unknown, bodyLimit = 0, types = commonTypes): ConnectError {
  if (err instanceof ConnectError) return err
  switch (err instanceof Error && 'code' in err && err.code) {
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return malformedUrl()
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return bodyTooLarge(bodyLimit)
    case 'FST_ERR_NOT_FOUND':
      // Fastify has routes for the methods that node knows, and HTTP/2 may bring any other.
      return methodNotAllowed('the method', '')
    case 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE':
      return unsupportedMediaType('', types)
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return unsupportedMediaType('malformed', types)
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return malformedRequest('the body is not as long as its Content-Length says', err)
    default:
      return refusal(Code.Internal, 'INTERNAL', 'internal error', { cause: err })
  }
}

/** The JSON body of every error, as Kratos' errors.Status. */
interface ErrorBody {
  /** Equal to the HTTP status. */
  code: number
  reason: string
  message: string
  metadata: Record<string, string>
}

/**
 * The body of an error. `sent` maps a field path in proto names to the name that this client sent.
 * The reason of an error without ErrorInfo is the name of its code.
 */
export function errorBody(err: ConnectError, sent: (field: string) => string): ErrorBody {
  const [info] = err.findDetails(ErrorInfoSchema)
  const violations = err.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations)
  // The client's name of a field may be long, since the key of a map is part of it.
  const broken = violations.map(({ field, description }) => ({
    field: shortenedKey(sent(field)),
    rule: description,
  }))
  // The metadata of ErrorInfo has the fields by proto name; the names that the client sent replace
  // them.
  const fields = new Set(violations.map(({ field }) => field))
  const others = Object.entries(info?.metadata ?? {}).filter(([key]) => !fields.has(key))
  return {
    code: statusOf(err),
    reason: info?.reason ?? upperCodeName(err.code),
    message:
      broken.length > 0
        ? broken.map(({ field, rule }) => `${field}: ${rule}`).join('; ')
        : err.rawMessage,
    metadata: { ...Object.fromEntries(others), ...rulesByField(broken) },
  }
}
