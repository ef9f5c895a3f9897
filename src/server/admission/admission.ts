import type { Arrival } from '../listener/arrival.ts'
import { callQueue } from './call-queue.ts'
import { type Clock, systemClock } from './clock.ts'
import type { OpenCall } from './shedding.ts'
import { type Place, slowBodies } from './slow-bodies.ts'

/** Limits the calls that the process works on at once, over both ports. */
export interface Admission {
  /**
   * Begins the call now or when there is room; tells why when it never begins. `open` is told what
   * becomes of the call; one that is critical waits less than others.
   */
  arrive(arrival: Arrival, terms: Terms, open?: OpenCall): void
  /** Calls that are being worked on, without those of operators. */
  readonly active: number
  /** Calls that wait to begin. */
  readonly waiting: number
}

/** How the calls of a port may wait, and the callbacks for those that never begin. */
export interface Terms {
  /** The client's timeout in milliseconds; undefined if it gave none. */
  timeoutMs: (arrival: Arrival) => number | undefined
  refused: (arrival: Arrival, open?: OpenCall) => void
  expired: (arrival: Arrival, open?: OpenCall) => void
  clientGone: (arrival: Arrival, open?: OpenCall) => void
}

/** Limits of the whole process, over both ports. */
export interface AdmissionLimits {
  /** Calls that are worked on at once. */
  maxActive: number
  /** Calls that are worked on and calls that wait, together. */
  maxCalls: number
}

/**
 * Health checks, reflection and the documents must be answered by a busy service, too, and may last for
 * long, so they have a separate limit of `maxCalls`.
 */
const forOperators =
  /^\/(?:(?:healthz|readyz|start\.css|docs|docs\/[\w.-]+|openapi\.[a-z.]+)?(?:\?|$)|grpc\.health\.|grpc\.reflection\.|kratos\.api\.)/

/** Whether a request is one of those, by its target. */
export function isForOperators(url: string): boolean {
  return forOperators.test(url)
}

/**
 * A semaphore with a bounded queue: calls beyond `maxActive` wait, those beyond `maxCalls` are refused.
 * The limits are read for each call.
 */
export function admission(limits: AdmissionLimits, clock: Clock = systemClock): Admission {
  const queue = callQueue(() => limits.maxCalls - limits.maxActive, clock)
  const places = countedPlaces(() => queue.proceed(hasRoom))
  const { take, give } = places
  const bodies = slowBodies({ callsWait: () => queue.size > 0, take, give }, clock)
  let operators = 0
  const hasRoom = () => places.taken < limits.maxActive

  function begin(arrival: Arrival, { clientGone }: Terms, open?: OpenCall): void {
    if (arrival.gone()) return clientGone(arrival, open)
    const place: Place = { isTaken: false }
    take(place)
    let forgetBody = arrival.hasBody ? bodies.watch(arrival, place) : undefined
    function over(): void {
      forgetBody?.()
      // It has the arrival, which a stream would keep for as long as it lasts.
      forgetBody = undefined
      give(place)
    }
    if (open) watch(arrival, open)
    // Not at the close alone: a client that reads nothing delays it.
    arrival.onAnswered(over)
    arrival.onStream(() => {
      over()
      open?.left()
    })
    arrival.onClose(over)
    arrival.begin()
  }

  function wait(arrival: Arrival, terms: Terms, open?: OpenCall): void {
    const { timeoutMs, refused, expired, clientGone } = terms
    const waiter = {
      begin: () => begin(arrival, terms, open),
      refuse: () => refused(arrival, open),
      expire: () => expired(arrival, open),
    }
    const leave = queue.join(waiter, timeoutMs(arrival), open?.isCritical)
    if (!leave) return refused(arrival, open)
    arrival.onClose(() => leave() && clientGone(arrival, open))
    bodies.callWaits()
  }

  function beginForOperator(arrival: Arrival, { refused, clientGone }: Terms): void {
    if (operators >= limits.maxCalls) return refused(arrival)
    if (arrival.gone()) return clientGone(arrival)
    operators += 1
    arrival.onClose(() => (operators -= 1))
    arrival.begin()
  }

  return {
    arrive(arrival, terms, open) {
      if (isForOperators(arrival.url)) beginForOperator(arrival, terms)
      else if (hasRoom()) begin(arrival, terms, open)
      else wait(arrival, terms, open)
    },
    get active() {
      return places.taken
    },
    get waiting() {
      return queue.size
    },
  }
}

function watch(arrival: Arrival, open: OpenCall): void {
  open.begun()
  arrival.onAnswered(() => open.answered())
  arrival.onClose(() => open.left())
}

/** Counts the places that are taken. `given` is called after one is given back. */
function countedPlaces(given: () => void) {
  function take(place: Place): void {
    if (!place.isTaken) places.taken += 1
    place.isTaken = true
  }
  function give(place: Place): void {
    if (!place.isTaken) return
    place.isTaken = false
    places.taken -= 1
    given()
  }
  const places = { taken: 0, take, give }
  return places
}
