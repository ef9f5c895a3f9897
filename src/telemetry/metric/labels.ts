import { Code } from '@connectrpc/connect'

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

/**
 * Gives a function for the reason of an error: as one of these enums declares it, or the name of its
 * code; empty where all went well.
 */
export function knownReasons(enums: readonly object[]): (reason: string) => string {
  const declared = enums
    .flatMap((reasons) => Object.keys(reasons))
    .filter((name) => !name.endsWith('_UNSPECIFIED'))
  const known = new Map(declared.map((name) => [name, name]))
  // An error without a reason of its own goes by its code's name, in either spelling.
  for (const code of codes) {
    const name = upperSnake(Code[code])
    known.set(name, name).set(Code[code], name)
  }
  return (reason) => (reason === '' ? '' : (known.get(reason) ?? other))
}

/** The status of a code in the words of gRPC, which spells CANCELLED so. */
export function grpcStatus(code: Code): string {
  return code === Code.Canceled ? 'CANCELLED' : upperSnake(Code[code])
}

/** The same in the words of Connect. */
export function connectStatus(code: Code): string {
  return upperSnake(Code[code]).toLowerCase()
}
