import { type TimeoutHeader, timeoutMs } from '../../call/timeout.ts'
import { type Admission, isForOperators, type Terms } from './admission.ts'
import type { Answer, Arrival, Gate } from '../listener/arrival.ts'
import type { Cors } from '../origin/cors.ts'
import type { Exchanges } from '../exchange/exchange.ts'
import type { Protocol } from '../exchange/protocol.ts'
import { busy, expired, overloaded, type TurnedAway } from './refusals.ts'
import type { OpenCall, Shedding } from './shedding.ts'

/** How a port admits its calls and answers those that never begin. */
export interface GateOptions {
  admission: Admission
  /** Refuses calls when the process can serve no more; undefined: none is refused for that. */
  shedding?: Shedding | undefined
  allowOrigin: Cors | undefined
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
  const { admission, shedding, allowOrigin, exchanges, protocolOf, timeoutHeaders, answerOf } =
    options

  function turnAway(arrival: Arrival, reason: TurnedAway, open?: OpenCall): void {
    open?.left()
    exchanges.turnedAway(protocolOf(arrival), arrival, reason.failure)
    const answer = answerOf(arrival, reason)
    arrival.refuse(allowOrigin?.readable(arrival, answer) ?? answer)
  }

  const terms: Terms = {
    timeoutMs: (arrival) => timeoutOf(arrival, timeoutHeaders),
    refused: (arrival, open) => turnAway(arrival, overloaded, open),
    expired: (arrival, open) => turnAway(arrival, expired, open),
    clientGone(arrival, open) {
      open?.left()
      exchanges.lost(protocolOf(arrival), arrival)
    },
  }

  return function gate(arrival) {
    if (allowOrigin?.isPreflight(arrival) && !arrival.gone()) return arrival.begin()
    if (!shedding || isForOperators(arrival.url)) return admission.arrive(arrival, terms)
    const open = shedding.arrive(arrival)
    if (open) admission.arrive(arrival, terms, open)
    else turnAway(arrival, busy)
  }
}

/** The client's timeout; undefined also if it is malformed: the call is refused when it begins. */
function timeoutOf({ headers }: Arrival, names: readonly TimeoutHeader[]): number | undefined {
  const given = names.map((name) => timeoutMs(name, headers))
  const timeouts = given.filter((ms) => typeof ms === 'number')
  return timeouts.length > 0 ? Math.min(...timeouts) : undefined
}
