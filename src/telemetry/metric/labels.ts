import { Code } from '@connectrpc/connect'
import { ErrorReason } from '../../gen/api/errors/v1/error_reason_pb.ts'

// Whatever a client can choose becomes one of finitely many values here, before it names a series.

/** For an operation, a reason or a method that nobody has declared. */
export const other = '_OTHER'

// The methods of RFC 9110 and RFC 5789, as the conventions for http.request.method list them.
const methods = new Set('CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE'.split(' '))

/** A value of `http.request.method`. */
export function knownMethod(method: string): string {
  return methods.has(method) ? method : other
}

const upperSnake = (name: string) => name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()

const codes = Object.values(Code).filter((code): code is Code => typeof code === 'number')
const reasons = new Map(
  [
    ...Object.keys(ErrorReason).filter((name) => name !== 'ERROR_REASON_UNSPECIFIED'),
    ...codes.map((code) => upperSnake(Code[code])),
  ].map((name) => [name, name]),
)
// An error without a reason of its own goes by its code's name, in either spelling.
for (const code of codes) reasons.set(Code[code], upperSnake(Code[code]))

/** The reason of an error as the API declares it, or the name of its code; empty where all went well. */
export function knownReason(reason: string): string {
  return reason === '' ? '' : (reasons.get(reason) ?? other)
}

/** The status of a code in the words of gRPC, which spells CANCELLED so. */
export function grpcStatus(code: Code): string {
  return code === Code.Canceled ? 'CANCELLED' : upperSnake(Code[code])
}

/** The same in the words of Connect. */
export function connectStatus(code: Code): string {
  return upperSnake(Code[code]).toLowerCase()
}
