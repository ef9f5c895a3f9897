import type { Admission } from './admission.ts'
import type { Answer, Arrival, Gate } from './connections.ts'
import type { Cors } from './cors.ts'
import { clientGone, type Exchanges, type Failure, type Protocol } from './exchange.ts'
import { overloaded } from './overload.ts'

export interface GateOptions {
  admission: Admission
  allowOrigin: Cors
  exchanges: Exchanges
  protocolOf: (arrival: Arrival) => Protocol
  /** The answer to a call that is one too many. */
  refusalOf: (arrival: Arrival) => Answer
}

/**
 * Begins each call of a port as soon as the process has room for it, and tells of those that never
 * begin. A preflight costs less than to let it wait.
 */
export function admissionGate(options: GateOptions): Gate {
  const { admission, allowOrigin, exchanges, protocolOf, refusalOf } = options
  return function gate(arrival) {
    if (allowOrigin.isPreflight(arrival) && !arrival.gone()) return arrival.begin()
    const never = (failure: Failure) => exchanges.turnedAway(protocolOf(arrival), arrival, failure)
    admission.arrive(arrival, {
      refused() {
        never(overloaded)
        arrival.refuse(allowOrigin.readable(arrival, refusalOf(arrival)))
      },
      clientGone: () => never(clientGone),
    })
  }
}
