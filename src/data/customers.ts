import { type Client, Code, ConnectError } from '@connectrpc/connect'
import { DomainError, type ReasonOf } from '../biz/error.ts'
import type { Customers } from '../biz/order.ts'
import type { ErrorReason as UserReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import type { ErrorReason } from '../gen/api/order/v1/error_reason_pb.ts'
import { User } from '../gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts'

/** Codes by which a service says, or its client finds, that it cannot answer now. */
const unavailable = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.ResourceExhausted])

/** Codes by which it says that it does not take the credentials of a call. */
const refused = new Set([Code.Unauthenticated, Code.PermissionDenied])

const notFound = 'USER_NOT_FOUND' satisfies keyof typeof UserReason

/** The service that is asked for users. */
export const userService = User

/**
 * Asks the service of users, wherever it is. `knowsCallers`: it gets the credentials of the callers, who are
 * told if it does not take them; otherwise those of this process are at fault.
 */
export function userCustomers(
  users: Pick<Client<typeof userService>, 'getUser'>,
  knowsCallers = false,
): Customers {
  return {
    async validateUser(id, signal) {
      try {
        await users.getUser({ id }, { signal })
      } catch (err) {
        signal.throwIfAborted()
        const error = ConnectError.from(err)
        throw knowsCallers && refused.has(error.code) ? ofCaller(error) : outcomeOf(id, error)
      }
    },
  }
}

/** The refusal of a caller, with the header that says what is wrong with its credentials. */
function ofCaller({ rawMessage, code, metadata, details, cause }: ConnectError): ConnectError {
  const name = 'www-authenticate'
  const headers = { [name]: metadata.get(name) ?? 'Bearer' }
  return Object.assign(new ConnectError(rawMessage, code, headers, [], cause), { details })
}

/** What a failed call means for an order. The error of another service is no error of this one. */
function outcomeOf(id: bigint, err: ConnectError): Error {
  if (err.findDetails(ErrorInfoSchema).some(({ reason }) => reason === notFound))
    return new DomainError<ReasonOf<typeof UserReason>>({
      kind: 'not_found',
      reason: notFound,
      message: `there is no user ${id}`,
      metadata: { user_id: String(id) },
    })
  if (!unavailable.has(err.code) && !refused.has(err.code))
    return new Error('the service of users failed', { cause: err })
  return new DomainError<ReasonOf<typeof ErrorReason>>({
    kind: 'unavailable',
    reason: 'USERS_UNAVAILABLE',
    message: 'the service of users cannot be used now',
    cause: refused.has(err.code) ? refusesUs(err) : err,
  })
}

function refusesUs(cause: ConnectError): Error {
  return new Error('the service of users refuses the credentials of this process', { cause })
}
