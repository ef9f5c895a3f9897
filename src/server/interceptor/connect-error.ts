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
  return errorWithInfo(codeOf[kind], reason, message, { metadata, violations, cause })
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
