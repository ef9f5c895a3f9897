import { getOption } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import { DomainError, type ErrorKind } from '../../biz/error.ts'
import { bounded } from '../../call/error-bounds.ts'
import { errorWithInfo, refusal } from '../../call/refusal.ts'
import { ErrorReasonSchema, status } from '../../gen/api/errors/v1/error_reason_pb.ts'
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts'
import { upperCodeName } from '../../text/code-name.ts'

const codeOf: Record<ErrorKind, Code> = {
  invalid_argument: Code.InvalidArgument,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  aborted: Code.Aborted,
  failed_precondition: Code.FailedPrecondition,
  deadline_exceeded: Code.DeadlineExceeded,
  unavailable: Code.Unavailable,
  internal: Code.Internal,
}

/**
 * Maps an error to the ConnectError that the client gets. ErrorInfo has the reason and the
 * metadata, without a domain, as in Kratos. The metadata also contain the invalid fields, because
 * Kratos clients read no other detail. An error that is neither a DomainError nor a ConnectError
 * becomes "internal error"; it is kept as the cause and is not sent.
 */
export function toConnectError(err: unknown): ConnectError {
  if (err instanceof ConnectError) return withInfo(bounded(err))
  if (!(err instanceof DomainError))
    return refusal(Code.Internal, 'INTERNAL', 'internal error', { cause: err })
  const { kind, reason, message, metadata, violations, cause } = err
  const own = kind === 'failed_precondition' ? statusOfReason(reason) : undefined
  const details = { metadata, violations, cause, ...(own !== undefined && { status: own }) }
  return errorWithInfo(codeOf[kind], reason, message, details)
}

/** HTTP has no status for FAILED_PRECONDITION but that of its reason. */
function statusOfReason(reason: string): number | undefined {
  const value = ErrorReasonSchema.values.find(({ name }) => name === reason)
  return value && getOption(value, status) ? getOption(value, status) : undefined
}

/**
 * Adds ErrorInfo to a ConnectError of a handler that has none: its reason is the name of its code.
 */
function withInfo(error: ConnectError): ConnectError {
  if (error.findDetails(ErrorInfoSchema).length > 0) return error
  const reason = upperCodeName(error.code)
  error.details.push({ desc: ErrorInfoSchema, value: { reason } })
  return error
}
