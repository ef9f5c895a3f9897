import type http from 'node:http'
import type net from 'node:net'
import { inFlight } from '../../memory/in-flight.ts'
import { leaveMs, type Repeat } from './arrival.ts'

/**
 * How long a client may send nothing, and how long it may go on sending, after the answer that came
 * before the end of its request. The two times are those of nginx (lingering_timeout, lingering_time).
 */
const silenceMs = 5000
const lingeringMs = 30_000

/** Connections that linger at the same time. One more closes the connection that has lingered longest. */
const maxLingering = 256

const onTimer: Repeat = (callback, ms) => {
  const timer = setInterval(callback, ms)
  return () => clearInterval(timer)
}

/**
 * Lingering close: after an answer that came before the end of its request, the sending side of the
 * connection is shut, and what the client still sends is read and dropped. Closing at once with bytes
 * unread would reset the connection, and the client would lose the answer.
 */
export function lingeringClose(repeat: Repeat = onTimer) {
  const lingering = inFlight<net.Socket>()
  let leaving = false

  function closeOldest(): boolean {
    const oldest = lingering.oldest()
    if (!oldest) return false
    lingering.remove(oldest)
    oldest.value.destroy()
    return true
  }

  /** Closes the connection after `leaveMs`, also if it has not lingered for long. */
  function hurry(socket: net.Socket): void {
    const stop = repeat(() => socket.destroy(), leaveMs)
    socket.once('close', stop)
  }

  function linger(socket: net.Socket): void {
    if (leaving) hurry(socket)
    if (lingering.size >= maxLingering) closeOldest()
    const entry = lingering.add(socket)
    let seenBytes = socket.bytesRead
    let leftMs = lingeringMs
    function check(): void {
      leftMs -= silenceMs
      if (leftMs <= 0 || socket.bytesRead === seenBytes) socket.destroy()
      seenBytes = socket.bytesRead
    }
    // Timers run before sockets are read: on a busy process bytes may have arrived, but not been read.
    const stop = repeat(() => setImmediate(check), silenceMs)
    socket.once('close', () => {
      stop()
      lingering.remove(entry)
    })
  }

  return {
    /** Makes the connection linger if node closes it while `unread` returns a request. */
    guard(socket: net.Socket, unread: () => http.IncomingMessage | undefined): void {
      const destroySoon = socket.destroySoon.bind(socket)
      socket.destroySoon = () => {
        const request = socket.destroyed ? undefined : unread()
        // A connection that is gone has no close to come that would end the timers.
        if (request === undefined || request.complete) return destroySoon()
        socket.end()
        dropRemaining(request)
        // Nothing is unread, so a close does not reset the connection.
        request.once('end', destroySoon)
        linger(socket)
      }
    },
    /** Closes the connection that has lingered longest; false if none lingers. */
    closeOldest,
    /** Closes the connections that linger after `leaveMs`, also those that begin to linger later. */
    leave(): void {
      leaving = true
      for (const socket of lingering.all()) hurry(socket)
    },
  }
}

/**
 * Reads and drops what remains of a request that has its answer. Node does so only if nothing of the body
 * was read; otherwise the unread bytes would block the next request on the connection.
 */
export function dropRemaining(request: http.IncomingMessage): void {
  request.removeAllListeners('readable')
  // Node notices in the next tick that 'readable' has no listener left.
  setImmediate(() => request.resume())
}
