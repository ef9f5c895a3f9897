import { type Entry, inFlight } from '../../memory/in-flight.ts'

/** A call that waits to begin. */
export interface Waiter {
  begin(): void
  refuse(): void
  /** By `performance.now()`. */
  readonly since: number
  /** Whether others like it may be waiting unread in their connections. */
  readonly mayRest: boolean
}

/**
 * A line that is there for longer is no burst, which is served by then, but an overload: whoever would
 * wait for too long in it shall know that early.
 */
const burstMs = 5000
/** The longest line in overload, as the time in which it is served: half of a call's own deadline. */
const overloadMs = 500
/** Nobody waits for longer, whatever becomes of the others. */
const longestWaitMs = 5000
/**
 * A refusal costs an eighth of a call, so a flood of them takes the time of the calls that could be
 * served. At so many in a millisecond they take a few hundredths of it, and the others are put off: a
 * connection of HTTP/1.1 sends nothing while its call waits.
 */
const refusalsPerMs = 1
/** After a pause of the process, so that one sweep does not do the refusals of all of it. */
const refusalsPerSweep = 100
const rateWindowMs = 1000

/**
 * Calls begin in order of age; the newest are refused first, which have waited for the shortest. There
 * are two lanes, since calls that come from their connections with an age would not be in order.
 */
export function waitingLine() {
  const resting = inFlight<Waiter>()
  const reading = inFlight<Waiter>()
  const size = () => resting.size + reading.size
  const laneOf = ({ mayRest }: Waiter) => (mayRest ? resting : reading)
  let busySince = 0
  let sweptAt = 0
  let rate = { since: 0, served: 0, perMs: 0 }

  /** How many calls may wait now, of `room` at most. */
  function roomAt(now: number, room: number): number {
    const elapsedMs = now - rate.since
    if (elapsedMs >= rateWindowMs) rate = { since: now, served: 0, perMs: rate.served / elapsedMs }
    return now - busySince < burstMs ? room : Math.min(room, rate.perMs * overloadMs)
  }

  /** Undefined when the line is empty. */
  function oldest(): Entry<Waiter> | undefined {
    const [one, other] = [resting.oldest(), reading.oldest()]
    if (!one || !other) return one ?? other
    return one.value.since <= other.value.since ? one : other
  }

  function newest(): Entry<Waiter> | undefined {
    const [one, other] = [resting.newest(), reading.newest()]
    if (!one || !other) return one ?? other
    return one.value.since > other.value.since ? one : other
  }

  function refuse(entry: Entry<Waiter>): void {
    laneOf(entry.value).remove(entry)
    entry.value.refuse()
  }

  return {
    /** Gives what lets it leave, which tells whether it was still there. */
    join(waiter: Waiter): () => boolean {
      if (size() === 0) {
        busySince = sweptAt = waiter.since
        rate = { since: waiter.since, served: 0, perMs: 0 }
      }
      const lane = laneOf(waiter)
      const entry = lane.add(waiter)
      return () => lane.remove(entry)
    },
    /** To be told of each call that has been served. */
    served(): void {
      rate.served += 1
    },
    /** Lets the oldest begin while there is room. */
    proceed(hasRoom: () => boolean): void {
      while (hasRoom()) {
        const next = oldest()
        if (!next) return
        laneOf(next.value).remove(next)
        next.value.begin()
      }
    },
    /**
     * Refuses those for whom there is no room to wait, and those who have waited for too long. To be
     * called now and then while somebody waits.
     */
    sweep(now: number, room: number): void {
      const longest = roomAt(now, room)
      let allowed = Math.min(refusalsPerSweep, Math.ceil((now - sweptAt) * refusalsPerMs))
      sweptAt = now
      for (; allowed > 0 && size() > longest; allowed -= 1) {
        const last = newest()
        if (last) refuse(last)
      }
      for (let first = oldest(); first; first = oldest()) {
        if (now - first.value.since < longestWaitMs) return
        refuse(first)
      }
    },
    get size() {
      return size()
    },
    /** Those whose connections may rest unread. */
    get mayRest() {
      return resting.size
    },
  }
}
