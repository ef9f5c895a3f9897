/** A call that waits to begin. */
export interface Waiter {
  begin(): void
  refuse(): void
  /** By `performance.now()`. */
  readonly since: number
}

/**
 * How long a call waits before it may be refused. A line that was empty not long ago is a burst, which is
 * served by then; one that was not is an overload, and whoever is to be refused shall know it early.
 */
const burstMs = 1000
const overloadMs = 200
/** How long a refusal is put off at most. */
const longestWaitMs = 5000
/**
 * A refusal costs about an eighth of a call, so a flood of them takes the time of the calls that could
 * be served. There are at most so many for each call that ends, and the others are put off: a
 * connection of HTTP/1.1 sends nothing while its call waits.
 */
const refusalsPerCall = 0.25
/** So that refusals go on when calls do not. A process that gets little of its core sweeps less often. */
const refusalsPerSweep = 2

/**
 * The newest begins first, because its client is the least likely to have given up; the oldest is
 * refused first.
 */
export function waitingLine() {
  // In order of arrival, with those who have left among them.
  let line: Waiter[] = []
  const present = new Set<Waiter>()
  let ended = 0
  let busySince = 0

  return {
    join(waiter: Waiter): void {
      if (present.size === 0) busySince = waiter.since
      line.push(waiter)
      present.add(waiter)
    },
    /** Whether it was still there. */
    leave: (waiter: Waiter): boolean => present.delete(waiter),
    /** To be told of each call that has been served. */
    served(): void {
      ended += 1
    },
    /** Lets the newest begin while there is room. */
    proceed(hasRoom: () => boolean): void {
      while (present.size > 0 && hasRoom()) {
        const newest = line.pop()
        if (newest && present.delete(newest)) newest.begin()
      }
    },
    /**
     * Refuses those whose time is over, and those for whom there is no room to wait. To be called now
     * and then while somebody waits.
     */
    sweep(now: number, room: number): void {
      let allowed = refusalsPerSweep + ended * refusalsPerCall
      ended = 0
      let tooMany = present.size - room
      const patienceMs = now - busySince > burstMs ? overloadMs : burstMs
      let index = 0
      for (; index < line.length; index += 1) {
        const waiter = line[index]
        if (!waiter || !present.has(waiter)) continue
        const waitedMs = now - waiter.since
        if (tooMany <= 0 && waitedMs < patienceMs) break
        if (allowed < 1 && waitedMs < longestWaitMs) break
        allowed -= 1
        tooMany -= 1
        present.delete(waiter)
        waiter.refuse()
      }
      line = present.size === 0 ? [] : line.slice(index)
    },
    get size() {
      return present.size
    },
  }
}
