import type { Code, ConnectError } from '@connectrpc/connect'
import { isOfServer, statusOf } from '../../call/status.ts'
import { upperCodeName } from '../../text/code-name.ts'
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts'

/**
 * How an exchange failed. `status` is the HTTP status of its code, also where HTTP answered 200.
 */
export interface Failure {
  status: number
  reason: string
  /** Undefined if HTTP refused the request before there was a call. */
  code?: Code
  /** The internal cause: it is logged and never sent. */
  cause?: unknown
}

/**
 * The failure that observers get for an error. An error of the server without a cause is its own
 * cause.
 */
export function failureOf(err: ConnectError): Failure {
  const [info] = err.findDetails(ErrorInfoSchema)
  const reason = info?.reason ?? upperCodeName(err.code)
  const cause = err.cause ?? (isOfServer(err) ? err : undefined)
  return { status: statusOf(err), reason, code: err.code, cause }
}
