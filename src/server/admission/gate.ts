import { type TimeoutHeader, timeoutMs } from '../../call/timeout.ts'
import type { Admission } from './admission.ts'
import type { Answer, Arrival, Gate } from '../listener/arrival.ts'
import type { Cors } from '../origin/cors.ts'
import { clientGone, type Exchanges } from '../exchange/exchange.ts'
import type { Protocol } from '../exchange/protocol.ts'
import { expired, overloaded, type TurnedAway } from './refusals.ts'

/** How a port admits its calls and answers those that never begin. */
export interface GateOptions {
  admission: Admission
  allowOrigin: Cors
  exchanges: Exchanges
  protocolOf: (arrival: Arrival) => Protocol
  /** The headers by which clients of this port give a timeout. */
  timeoutHeaders: readonly TimeoutHeader[]
  answerOf: (arrival: Arrival, reason: TurnedAway) => Answer
}

/**
 * Begins each call of a port as soon as the process has room for it; answers and reports the calls that
 * never begin. A preflight begins at once, since it costs less than a place in the queue.
 */
export function admissionGate(options: GateOptions): Gate {
  const { admission, allowOrigin, exchanges, protocolOf, timeoutHeaders, answerOf } = options

  function turnAway(arrival: Arrival, reason: TurnedAway): void {
    exchanges.turnedAway(protocolOf(arrival), arrival, reason.failure)
    arrival.refuse(allowOrigin.readable(arrival, answerOf(arrival, reason)))
  }

  return function gate(arrival) {
    if (allowOrigin.isPreflight(arrival) && !arrival.gone()) return arrival.begin()
    admission.arrive(arrival, {
      timeoutMs: () => timeoutOf(arrival, timeoutHeaders),
      refused: () => turnAway(arrival, overloaded),
      expired: () => turnAway(arrival, expired),
      clientGone: () => exchanges.turnedAway(protocolOf(arrival), arrival, clientGone),
    })
  }
}

/** The client's timeout; undefined also if it is malformed: the call is refused when it begins. */
function timeoutOf({ headers }: Arrival, names: readonly TimeoutHeader[]): number | undefined {
  const given = names.map((name) => timeoutMs(name, headers))
  const timeouts = given.filter((ms) => typeof ms === 'number')
  return timeouts.length > 0 ? Math.min(...timeouts) : undefined
}
