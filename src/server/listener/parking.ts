import type net from 'node:net'
import type { HoldBack } from './arrival.ts'

export type Parking = ReturnType<typeof parking>

/**
 * Leaves an idle HTTP/1.1 connection unread for as long as `holdBack` wants. The next request then waits
 * in the buffers of the kernel, where it costs nothing.
 */
export function parking(socket: net.Socket, holdBack: HoldBack, idleTimeoutMs: number) {
  /** Cancels the hold; undefined unless the connection is parked. */
  let cancel: (() => void) | undefined
  let since: number | undefined

  function unpark(): void {
    if (!cancel) return
    const parkedAt = since
    cancel()
    cancel = undefined
    socket.resume()
    socket.setTimeout(idleTimeoutMs)
    // A request that arrived meanwhile is read before the second callback runs.
    setImmediate(() =>
      setImmediate(() => {
        if (since === parkedAt) since = undefined
      }),
    )
  }

  return {
    /** To be called when the connection is idle. */
    park(): void {
      if (!canPark(socket) || socket.destroyed) return
      cancel = holdBack(unpark)
      if (!cancel) return
      since = performance.now()
      socket.pause()
      // Until the connection is read, an idle client cannot be told from one that has sent a request.
      socket.setTimeout(0)
    },
    /** Reads the connection again, if it is parked. */
    unpark,
    /** To be called when the connection has closed. */
    closed: (): void => cancel?.(),
    /** When the connection was parked (`performance.now()`), for the request that waited meanwhile. */
    since: (): number | undefined => since,
  }
}

/** Whether a connection can be left unread. One over TLS cannot: node reads the socket below it. */
export function canPark(socket: net.Socket): boolean {
  return !('encrypted' in socket)
}
