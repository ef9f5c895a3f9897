import { Code } from '@connectrpc/connect'
import { upperCodeName } from '../../text/code-name.ts'
import { other } from '../rpc-status.ts'

// Values that a client can choose are mapped to a finite set here, before they name a series.

// The methods of RFC 9110 and RFC 5789, as the conventions for http.request.method list them.
const methods = new Set('CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE'.split(' '))

/** A value of `http.request.method`. */
export function knownMethod(method: string): string {
  return methods.has(method) ? method : other
}

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
    const name = upperCodeName(code)
    known.set(name, name).set(Code[code], name)
  }
  return (reason) => (reason === '' ? '' : (known.get(reason) ?? other))
}
