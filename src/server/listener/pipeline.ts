import type http from 'node:http'

/**
 * Maximum number of pipelined requests of one connection that wait for an earlier answer. A single
 * packet can hold a thousand requests, and node:http would begin all of them before it serves another
 * client. A client that sends more loses the connection.
 */
const maxDeferred = 4096

/** The order of the requests of one HTTP/1.1 connection. */
export type Pipeline = ReturnType<typeof pipeline>

/** The requests of one HTTP/1.1 connection: each begins when the one before is answered. */
export function pipeline() {
  /** Begin the requests that wait, in order. */
  const deferred: (() => void)[] = []
  let open = 0
  let last: http.ServerResponse | undefined

  return {
    /** Begins a request now or after the earlier ones; false if too many requests wait. */
    add(answer: http.ServerResponse, begin: () => void): boolean {
      if (deferred.length >= maxDeferred) return false
      last = answer
      open += 1
      if (open === 1) begin()
      else deferred.push(begin)
      return true
    },
    /** Begins the next request after an answer is over; false if there is none. */
    proceed(): boolean {
      open -= 1
      deferred.shift()?.()
      if (open > 0) return true
      // An idle connection may last for hours and would keep all that belongs to its last call.
      last = undefined
      return false
    },
    isEmpty: (): boolean => open === 0,
    /** Lets the last answer announce the close; an earlier one would cut off the others. */
    closeAfterLast(): void {
      if (last !== undefined) last.shouldKeepAlive = false
    },
  }
}
