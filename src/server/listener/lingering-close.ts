import type http from 'node:http'
import type net from 'node:net'

/** How long the rest of a request is read and dropped after its answer. */
const unreadMs = 500

/**
 * Lingering close: after an answer that came before the end of its request, the sending side of the
 * connection is shut, and what the client still sends is read and dropped. Closing at once with bytes
 * unread would reset the connection, and the client would lose the answer.
 */
export function lingeringClose() {
  return {
    /** Makes the connection linger if node closes it while `unread` returns a request. */
    guard(socket: net.Socket, unread: () => http.IncomingMessage | undefined): void {
      const destroySoon = socket.destroySoon.bind(socket)
      socket.destroySoon = () => {
        const request = unread()
        if (request === undefined || request.complete) return destroySoon()
        socket.end()
        dropRest(request)
        const lingering = setTimeout(() => socket.destroy(), unreadMs)
        socket.once('close', () => clearTimeout(lingering))
      }
    },
  }
}

/**
 * Reads and drops the rest of a request that has its answer. Node does so only if nothing of the body
 * was read; otherwise the unread bytes would block the next request on the connection.
 */
export function dropRest(request: http.IncomingMessage): void {
  request.removeAllListeners('readable')
  // Node notices in the next tick that 'readable' has no listener left.
  setImmediate(() => request.resume())
}
