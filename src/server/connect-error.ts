import { Code, ConnectError } from '@connectrpc/connect'
import { DomainError, type ErrorKind, type FieldViolation, type ReasonOf } from '../biz/error.ts'
import type { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import { BadRequestSchema, ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts'
import { bounded, boundedError } from '../rest/error-bounds.ts'
import { httpStatusOf } from '../call/status.ts'
import type { Failure } from './exchange/exchange.ts'

/** A reason that the ports themselves give, by name. */
export type Reason = ReasonOf<typeof ErrorReason>

const codeOf: Record<ErrorKind, Code> = {
  invalid_argument: Code.InvalidArgument,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  aborted: Code.Aborted,
  unavailable: Code.Unavailable,
  internal: Code.Internal,
}

/**
 * The one mapping of errors to the wire. ErrorInfo carries reason and metadata, with no domain, as
 * Kratos; offending fields stand there too, because Kratos clients read no other detail. What is
 * neither a DomainError nor a ConnectError leaves as "internal error" with its cause kept here.
 */
export function toConnectError(err: unknown): ConnectError {
  if (err instanceof ConnectError) return bounded(err)
  if (!(err instanceof DomainError))
    return refusal(Code.Internal, 'INTERNAL', 'internal error', { cause: err })
  const { kind, reason, message, metadata, violations, cause } = err
  return withDetails(codeOf[kind], reason, message, { metadata, violations, cause })
}

interface RefusalDetails {
  metadata?: Record<string, string>
  violations?: readonly FieldViolation[]
  cause?: unknown
}

/** What the ports themselves refuse, with the details that every error of this service has. */
export function refusal(
  code: Code,
  reason: Reason,
  message: string,
  details?: RefusalDetails,
): ConnectError {
  return withDetails(code, reason, message, details)
}

function withDetails(
  code: Code,
  reason: string,
  message: string,
  { metadata, violations = [], cause }: RefusalDetails = {},
): ConnectError {
  const fields = Object.entries(Object.groupBy(violations, ({ field }) => field)).map(
    ([field, list = []]) => [field, list.map(({ rule }) => rule).join('; ')] as const,
  )
  const info = { reason, metadata: { ...metadata, ...Object.fromEntries(fields) } }
  const fieldViolations = violations.map(({ field, rule }) => ({ field, description: rule }))
  const details = [
    { desc: ErrorInfoSchema, value: info },
    ...(fieldViolations.length > 0 ? [{ desc: BadRequestSchema, value: { fieldViolations } }] : []),
  ]
  return boundedError({ code, message, details, cause })
}

/** What the observers are told of an error. */
export function failureOf(err: ConnectError): Failure {
  const [info] = err.findDetails(ErrorInfoSchema)
  const status = httpStatusOf[err.code]
  const reason = info?.reason ?? Code[err.code].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()
  return { status, reason, code: err.code, cause: err.cause ?? (status >= 500 ? err : undefined) }
}
