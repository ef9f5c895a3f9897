import { Code, ConnectError } from '@connectrpc/connect'
import { DomainError, type ErrorKind } from '../../biz/error.ts'
import { bounded } from '../../call/error-bounds.ts'
import { errorWithInfo, refusal } from '../../call/refusal.ts'

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
  return errorWithInfo(codeOf[kind], reason, message, { metadata, violations, cause })
}
