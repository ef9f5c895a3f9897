// The codes of google.rpc.Code by their numbers, which gRPC and Connect share. Number 0, OK, is no error.
const names = [
  '',
  'canceled',
  'unknown',
  'invalid_argument',
  'deadline_exceeded',
  'not_found',
  'already_exists',
  'permission_denied',
  'resource_exhausted',
  'failed_precondition',
  'aborted',
  'out_of_range',
  'unimplemented',
  'internal',
  'unavailable',
  'data_loss',
  'unauthenticated',
]
const upperNames = names.map((name) => name.toUpperCase())

/** The name of a code as Connect sends it: `not_found`. A number that is no code is `unknown`. */
export function connectCodeName(code: number): string {
  return names[code] || 'unknown'
}

/** The name of a code as the `reason` of an error without one of its own: `NOT_FOUND`, `CANCELED`. */
export function upperCodeName(code: number): string {
  return upperNames[code] || 'UNKNOWN'
}

/** The name of a code as gRPC spells it: the upper-case name, but `CANCELLED` with two L. */
export function grpcCodeName(code: number): string {
  const name = upperCodeName(code)
  return name === 'CANCELED' ? 'CANCELLED' : name
}
