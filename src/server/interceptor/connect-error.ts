import { Code, ConnectError } from '@connectrpc/connect'
import { DomainError, type ErrorKind } from '../../biz/error.ts'
import { bounded } from '../../call/error-bounds.ts'
import { errorWithInfo, refusal } from '../../call/refusal.ts'
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts'
import { upperCodeName } from '../../text/code-name.ts'

const codeOf: Record<ErrorKind, Code> = {
  invalid_argument: Code.InvalidArgument,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  aborted: Code.Aborted,
  deadline_exceeded: Code.DeadlineExceeded,
  unavailable: Code.Unavailable,
  internal: Code.Internal,
}

/**
 * The one mapping of errors to the wire. ErrorInfo carries reason and metadata, with no domain, as
 * Kratos; offending fields stand there too, because Kratos clients read no other detail. What is
 * neither a DomainError nor a ConnectError leaves as "internal error" with its cause kept here.
 */
export function toConnectError(err: unknown): ConnectError {
  if (err instanceof ConnectError) return withInfo(bounded(err))
  if (!(err instanceof DomainError))
    return refusal(Code.Internal, 'INTERNAL', 'internal error', { cause: err })
  const { kind, reason, message, metadata, violations, cause } = err
  return errorWithInfo(codeOf[kind], reason, message, { metadata, violations, cause })
}

/** A handler's own ConnectError has its code's name for a reason where it gives none. */
function withInfo(error: ConnectError): ConnectError {
  if (error.findDetails(ErrorInfoSchema).length > 0) return error
  const reason = upperCodeName(error.code)
  error.details.push({ desc: ErrorInfoSchema, value: { reason } })
  return error
}
