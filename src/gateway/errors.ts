import { type FileRegistry, getOption } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import { refusal } from '../call/refusal.ts'
import { ownStatusOf, withStatus } from '../call/status.ts'
import { type ErrorReason, status } from '../gen/api/errors/v1/error_reason_pb.ts'
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts'
import { passedBack } from './headers.ts'

/** The HTTP status of each reason that has one in the protos. */
export type StatusOfReason = ReadonlyMap<string, number>

/** Finds the reasons with a status of their own in the enums of a service's protos. */
export function statusOfReasons(registry: FileRegistry): StatusOfReason {
  const values = [...registry].flatMap((type) => (type.kind === 'enum' ? type.values : []))
  return new Map(
    values.map((value) => [value.name, getOption(value, status)] as const).filter(([, own]) => own),
  )
}

/** What the errors of a remote depend on. */
interface Knowing {
  statuses: StatusOfReason
  /** Whether the remote knows the callers, and not this process alone. */
  knowsCallers: boolean
}

/**
 * The error that a client gets for one of a call to a remote: the remote's own with all its details, and
 * otherwise one that says nothing of where the remote is, which is for the log.
 */
export function remoteError(err: unknown, service: string, remote: Knowing): ConnectError {
  const error = ConnectError.from(err)
  if (!remote.knowsCallers && isOfCredentials(error)) {
    const cause = new Error(`${service} refuses the credentials of this process`, { cause: err })
    const message = `${service} cannot be used now`
    return refusal(Code.Unavailable, 'REMOTE_UNAVAILABLE', message, { cause })
  }
  // The client makes errors of its own: such as of an open breaker, and, with a cause, of answers that
  // are none, such as the page of a proxy.
  const isOfRemote = error.isWireError && error.cause === undefined
  if (isOfRemote || error.findDetails(ErrorInfoSchema).length > 0)
    return passedError(error, remote.statuses)
  switch (error.code) {
    case Code.Unavailable: {
      const message = `${service} cannot be reached`
      return refusal(Code.Unavailable, 'REMOTE_UNAVAILABLE', message, { cause: err })
    }
    case Code.DeadlineExceeded: {
      const message = `${service} has not answered in time`
      return refusal(Code.DeadlineExceeded, 'DEADLINE_EXCEEDED', message, { cause: err })
    }
    case Code.Canceled:
      return refusal(Code.Canceled, 'CANCELED', 'the client has gone', { cause: err })
    default:
      return refusal(Code.Internal, 'INTERNAL', 'internal error', { cause: err })
  }
}

/** Whether the remote does not take the credentials of the call, or misses a scope in them. */
function isOfCredentials(error: ConnectError): boolean {
  if (error.code === Code.Unauthenticated) return true
  const forbidden = 'FORBIDDEN' satisfies keyof typeof ErrorReason
  return error.findDetails(ErrorInfoSchema).some(({ reason }) => reason === forbidden)
}

/** Codes whose reasons say more over REST. One that is aborted is 409 or 412 by the request. */
const codesWithStatus = new Set([Code.FailedPrecondition, Code.ResourceExhausted])

function passedError(error: ConnectError, statuses: StatusOfReason): ConnectError {
  const { rawMessage, code, metadata, details, cause } = error
  const passed = new ConnectError(rawMessage, code, passedBack(metadata), [], cause)
  const [info] = error.findDetails(ErrorInfoSchema)
  const own = codesWithStatus.has(code) ? statuses.get(info?.reason ?? '') : undefined
  // Not marked as of the wire: the metadata of such an error is not sent.
  return withStatus(Object.assign(passed, { details }), ownStatusOf(error) ?? own)
}
