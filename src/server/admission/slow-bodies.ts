import { type Entry, type InFlight, inFlight } from '../../memory/in-flight.ts'
import type { Arrival } from '../listener/arrival.ts'
import { type Clock, systemClock } from './clock.ts'

/** The place of a call among those that are worked on. */
export interface Place {
  isTaken: boolean
}

/** The places of all calls. Taking one that is taken does nothing, and so does giving it a second time. */
interface Places {
  callsWait: () => boolean
  take: (place: Place) => void
  give: (place: Place) => void
}

interface Awaited {
  readonly arrival: Arrival
  readonly place: Place
  list: InFlight<Awaited>
  entry: Entry<Awaited> | undefined
  /** Whether a sweep has found its body missing. */
  late: boolean
}

/** Maximum number of calls without a place; one more aborts the call that lost its place first. */
const maxSlowBodies = 1024
const sweepMs = 10

/**
 * Takes the place from calls whose body is slow, so that clients that send a byte at a time do not keep
 * others out. A call whose body is incomplete at two sweeps loses its place until the body is complete.
 * The sockets are read between two sweeps, since an overloaded process leaves bytes unread for long.
 * There is a sweep in each turn of the event loop while `callsWait`, else every 10 ms.
 */
export function slowBodies(
  { callsWait, take, give }: Places,
  { setTimer, nextTurn }: Clock = systemClock,
) {
  const receiving = inFlight<Awaited>()
  const slow = inFlight<Awaited>()
  let later = false
  let nextIsDue = false

  function sweep(): void {
    for (const call of receiving.all()) {
      if (call.late) makeWay(call)
      else call.late = true
    }
    if (callsWait()) sweepNextTurn()
    else sweepLater()
  }

  function sweepNextTurn(): void {
    if (receiving.size === 0 || nextIsDue) return
    nextIsDue = true
    nextTurn(() => {
      nextIsDue = false
      sweep()
    })
  }

  function sweepLater(): void {
    if (receiving.size === 0 || later) return
    later = true
    setTimer(() => {
      later = false
      // The sockets are read between the timers and this.
      sweepNextTurn()
    }, sweepMs)
  }

  function makeWay(call: Awaited): void {
    leave(call)
    call.list = slow
    call.entry = slow.add(call)
    if (slow.size > maxSlowBodies) slow.oldest()?.value.arrival.abort()
    give(call.place)
  }

  function leave({ list, entry }: Awaited): boolean {
    return entry !== undefined && list.remove(entry)
  }

  return {
    /** Watches the body of a call that begins. Returns a function that ends this. */
    watch(arrival: Arrival, place: Place): () => void {
      const call: Awaited = { arrival, place, list: receiving, entry: undefined, late: false }
      call.entry = receiving.add(call)
      // A body that has come may take its place back above the limit: it is read already.
      arrival.onReceived(() => leave(call) && call.list === slow && take(place))
      sweepLater()
      return () => leave(call)
    },
    /** To be told when a call begins to wait. */
    callWaits: sweepNextTurn,
  }
}
