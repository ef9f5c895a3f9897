import { type Entry, inFlight } from '../../memory/in-flight.ts'
import type { Arrival } from '../listener/arrival.ts'
import { waitingLine } from './call-queue.ts'

/** How many calls the process works on at once, over both ports. */
export interface Admission {
  /** Begins the call now or when there is room; tells why when it never begins. */
  arrive(arrival: AgedArrival, terms: Terms): void
  /** Keeps connections unread while the line is long enough. */
  holdBack: (read: () => void) => (() => void) | undefined
  /** Gives connections of HTTP/2 few streams from when more calls wait than may to when few do. */
  streamsEach: (connections: number) => number | undefined
  /** Calls that are being worked on, without those of operators. */
  readonly active: number
  /** Calls that wait to begin. */
  readonly waiting: number
}

/** A request, by default as old as its arrival, on a connection that is always read. */
type AgedArrival = Arrival & { since?: number; mayRest?: boolean }

export interface Terms {
  /** How long it may wait to begin, as far as its client is concerned. */
  timeoutMs: () => number | undefined
  refused: () => void
  expired: () => void
  clientGone: () => void
}

/**
 * Who asks whether the service is well, or what it serves, must get an answer from a busy one too, and
 * may stay for long; they have as much room again, of their own.
 */
const forOperators =
  /^\/(?:(?:healthz|readyz)(?:\?|$)|grpc\.health\.|grpc\.reflection\.|kratos\.api\.)/

/** Calls above `most` that wait for their refusal; above these it comes at once, whatever that costs. */
const maxExcess = 2048
/** Calls whose body takes long to come; the one that has taken the longest makes way for the next. */
const maxSlowBodies = 1024
const sweepMs = 10
/**
 * Calls of such connections in the line, in multiples of those that are worked on, from which on
 * connections rest unread: enough to do until the next ones are read, however many others wait. Each call
 * that waits as an object is copied by V8's collections of young objects, and thousands of them cost a
 * fifth of the time.
 */
const enoughToDo = 4
/** For how long a connection rests unread at most: a call that waits there has no deadline yet. */
const maxUnreadMs = 2000

/**
 * Streams of all connections of HTTP/2 while it is crowded, in multiples of the calls that are worked on:
 * their clients keep the others, which cost the more the longer they wait here. And the least of each.
 */
const streamsWhenCrowded = 8
const leastStreams = 8
/** For how long it stays crowded after the line was long. */
const crowdedMs = 1000

interface Unread {
  readonly read: () => void
  readonly since: number
}

interface Call {
  readonly arrival: Arrival
  holdsPlace: boolean
  /** Among those whose body is awaited; later perhaps among those that gave way. */
  receiving: Entry<Call> | undefined
  slow: Entry<Call> | undefined
  /** Whether a sweep has found its body missing. */
  late: boolean
}

export interface AdmissionLimits {
  /** Calls that are worked on at once. */
  atOnce: number
  /** Those and the ones that wait, together. */
  most: number
}

export function admission({ atOnce, most }: AdmissionLimits): Admission {
  const line = waitingLine()
  const receiving = inFlight<Call>()
  const slow = inFlight<Call>()
  const unread = inFlight<Unread>()
  let active = 0
  let operators = 0
  /** Of the line, since the last sweep. */
  let longest = 0
  let crowdedAt = Number.NEGATIVE_INFINITY
  let crowded = false
  let sweeping: NodeJS.Timeout | undefined
  let sweepingBodies: NodeJS.Immediate | undefined

  const hasRoom = () => active < atOnce
  const enough = Math.max(1, enoughToDo * atOnce)

  function take(call: Call): void {
    if (call.holdsPlace) return
    call.holdsPlace = true
    active += 1
  }

  function give(call: Call): void {
    if (!call.holdsPlace) return
    call.holdsPlace = false
    active -= 1
    line.proceed(hasRoom)
  }

  function begin(arrival: Arrival, { clientGone }: Terms): void {
    if (arrival.gone()) return clientGone()
    const call: Call = {
      arrival,
      holdsPlace: false,
      receiving: undefined,
      slow: undefined,
      late: false,
    }
    take(call)
    function over(): void {
      if (call.receiving) receiving.remove(call.receiving)
      if (call.slow) slow.remove(call.slow)
      if (call.holdsPlace) line.served()
      give(call)
      // One may have nothing to say, so more than one for each that leaves.
      readOn(2)
    }
    // Not only at the close, which a client puts off by reading nothing.
    arrival.onAnswered(over)
    arrival.onClose(over)
    if (arrival.hasBody) {
      const entry = (call.receiving = receiving.add(call))
      arrival.onReceived(() => {
        receiving.remove(entry)
        // Not if it is over already.
        if (call.slow && slow.remove(call.slow)) take(call)
      })
      sweepLater()
    }
    arrival.begin()
  }

  /**
   * Who sends a byte at a time must not keep others out: a body that is missing at two sweeps, between
   * which the sockets have been read, gives its call's place away until it is there. Not by the clock,
   * because in overload what has come lies unread for long.
   */
  function sweepBodies(): void {
    for (const call of receiving.all()) {
      if (call.late) makeWay(call)
      else call.late = true
    }
    if (line.size > 0) sweepBodiesSoon()
  }

  /** Where calls wait, each turn of the event loop is a sweep, so that they wait for no clock. */
  function sweepBodiesSoon(): void {
    if (receiving.size === 0 || sweepingBodies) return
    sweepingBodies = setImmediate(() => {
      sweepingBodies = undefined
      sweepBodies()
    })
  }

  function makeWay(call: Call): void {
    if (call.receiving) receiving.remove(call.receiving)
    call.slow = slow.add(call)
    if (slow.size > maxSlowBodies) slow.oldest()?.value.arrival.abort()
    give(call)
  }

  function readOldest(): void {
    const oldest = unread.oldest()
    if (oldest && unread.remove(oldest)) oldest.value.read()
  }

  /** Reads from `count` connections at most, those that have rested for the longest. */
  function readOn(count: number): void {
    for (let left = count; left > 0 && unread.size > 0 && line.mayRest < enough; left -= 1)
      readOldest()
  }

  function sweepUnread(now: number): void {
    readOn(line.size === 0 ? unread.size : enough - line.mayRest)
    for (let first = unread.oldest(); first; first = unread.oldest()) {
      if (now - first.value.since < maxUnreadMs) return
      readOldest()
    }
  }

  /** By the longest line, since calls that need not wait for a database are gone at each sweep. */
  function sweepCrowd(now: number): void {
    if (longest > most - atOnce || (crowded && longest >= enough)) crowdedAt = now
    crowded = now - crowdedAt < crowdedMs
    longest = line.size
  }

  function sweep(): void {
    const now = performance.now()
    sweepBodies()
    sweepCrowd(now)
    line.sweep(now, most - atOnce)
    sweepUnread(now)
    if (crowded || line.size + receiving.size + unread.size > 0) return
    clearInterval(sweeping)
    sweeping = undefined
  }

  function sweepLater(): void {
    sweeping ??= setInterval(sweep, sweepMs)
  }

  function wait(arrival: AgedArrival, terms: Terms): void {
    let timer: NodeJS.Timeout | undefined
    const leave = line.join({
      begin() {
        clearTimeout(timer)
        begin(arrival, terms)
      },
      refuse() {
        clearTimeout(timer)
        terms.refused()
      },
      since: arrival.since ?? arrival.at,
      mayRest: arrival.mayRest ?? false,
    })
    longest = Math.max(longest, line.size)
    const timeoutMs = terms.timeoutMs()
    // Nobody waits for longer than a minute anyway.
    if (timeoutMs !== undefined)
      timer = setTimeout(() => leave() && terms.expired(), Math.min(timeoutMs, 60_000))
    arrival.onClose(() => {
      clearTimeout(timer)
      if (leave()) terms.clientGone()
    })
    sweepBodiesSoon()
    sweepLater()
  }

  function arriveForOperator(arrival: Arrival, terms: Terms): void {
    if (operators >= most) return terms.refused()
    if (arrival.gone()) return terms.clientGone()
    operators += 1
    arrival.onClose(() => (operators -= 1))
    arrival.begin()
  }

  return {
    arrive(arrival, terms) {
      if (forOperators.test(arrival.url)) return arriveForOperator(arrival, terms)
      if (hasRoom()) begin(arrival, terms)
      else if (line.size >= most - atOnce + maxExcess) terms.refused()
      else wait(arrival, terms)
    },
    holdBack(read) {
      if (line.mayRest < enough) return undefined
      const entry = unread.add({ read, since: performance.now() })
      sweepLater()
      return () => unread.remove(entry)
    },
    streamsEach(connections) {
      if (!crowded) return undefined
      return Math.max(leastStreams, Math.ceil((streamsWhenCrowded * atOnce) / connections))
    },
    get active() {
      return active
    },
    get waiting() {
      return line.size
    },
  }
}
