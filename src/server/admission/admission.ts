import type { Arrival } from '../listener/arrival.ts'
import { callQueue } from './call-queue.ts'
import { type Clock, systemClock } from './clock.ts'
import type { OpenCall } from './shedding.ts'
import { type Place, slowBodies } from './slow-bodies.ts'

/** Limits the calls that the process works on at once, over both ports. */
export interface Admission {
  /** Begins the call now or when there is room; tells why when it never begins. */
  arrive(arrival: Arrival, terms: Terms): void
  /** Calls that are being worked on, without those of operators. */
  readonly active: number
  /** Calls that wait to begin. */
  readonly waiting: number
}

/** How a call may wait, and the callbacks for one that never begins. */
interface Terms {
  /** The client's timeout in milliseconds; undefined if it gave none. */
  timeoutMs: () => number | undefined
  refused: () => void
  expired: () => void
  clientGone: () => void
  /** Told what becomes of the call; one that is critical waits less than others. */
  open?: OpenCall | undefined
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
  const bodies = slowBodies(() => queue.size > 0, clock)
  const places = countedPlaces(() => queue.proceed(hasRoom))
  let operators = 0
  const hasRoom = () => places.taken < limits.maxActive

  function begin(arrival: Arrival, { clientGone, open }: Terms): void {
    if (arrival.gone()) return clientGone()
    const place = places.make()
    place.take()
    let forgetBody = arrival.hasBody ? bodies.watch(arrival, place) : undefined
    function over(): void {
      forgetBody?.()
      // It has the arrival, which a stream would keep for as long as it lasts.
      forgetBody = undefined
      place.give()
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

  function wait(arrival: Arrival, terms: Terms): void {
    const { refused, expired, clientGone } = terms
    const waiter = { begin: () => begin(arrival, terms), refuse: refused, expire: expired }
    const leave = queue.join(waiter, terms.timeoutMs(), terms.open?.isCritical)
    if (!leave) return refused()
    arrival.onClose(() => leave() && clientGone())
    bodies.callWaits()
  }

  function beginForOperator(arrival: Arrival, { refused, clientGone }: Terms): void {
    if (operators >= limits.maxCalls) return refused()
    if (arrival.gone()) return clientGone()
    operators += 1
    arrival.onClose(() => (operators -= 1))
    arrival.begin()
  }

  return {
    arrive(arrival, terms) {
      if (isForOperators(arrival.url)) beginForOperator(arrival, terms)
      else if (hasRoom()) begin(arrival, terms)
      else wait(arrival, terms)
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
  let taken = 0
  return {
    make(): Place {
      let held = false
      return {
        take() {
          if (!held) taken += 1
          held = true
        },
        give() {
          if (!held) return
          held = false
          taken -= 1
          given()
        },
      }
    },
    get taken() {
      return taken
    },
  }
}
