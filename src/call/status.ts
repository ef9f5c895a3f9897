import { Code, type ConnectError } from '@connectrpc/connect'

/** HTTP status of each code, as in the comments of google/rpc/code.proto. No code is made from a status. */
const httpStatusOf: Record<Code, number> = {
  [Code.Canceled]: 499,
  [Code.Unknown]: 500,
  [Code.InvalidArgument]: 400,
  [Code.DeadlineExceeded]: 504,
  [Code.NotFound]: 404,
  [Code.AlreadyExists]: 409,
  [Code.PermissionDenied]: 403,
  [Code.ResourceExhausted]: 429,
  [Code.FailedPrecondition]: 400,
  [Code.Aborted]: 409,
  [Code.OutOfRange]: 400,
  [Code.Unimplemented]: 501,
  [Code.Internal]: 500,
  [Code.Unavailable]: 503,
  [Code.DataLoss]: 500,
  [Code.Unauthenticated]: 401,
}

/**
 * Gives an error another HTTP status than that of its code. It is a property and not a subclass, because
 * ConnectError's own instanceof is true for every ConnectError.
 */
export function withStatus<E extends ConnectError>(error: E, status: number | undefined): E {
  return status === undefined ? error : Object.assign(error, { httpStatus: status })
}

/** The status that `withStatus` gave an error, if it did. */
export function ownStatusOf(error: ConnectError): number | undefined {
  return 'httpStatus' in error ? Number(error.httpStatus) : undefined
}

/** The HTTP status of an error: its own where it has one, else its code's. */
export function statusOf(error: ConnectError): number {
  return ownStatusOf(error) ?? httpStatusOf[error.code]
}

/**
 * Whether an error is the server's, by its status and by its code: a version of HTTP or a transfer coding
 * that is not served is a mistake of the client, though HTTP has 505 and 501 for them.
 */
export function isOfServer(error: ConnectError): boolean {
  return statusOf(error) >= 500 && httpStatusOf[error.code] >= 500
}
