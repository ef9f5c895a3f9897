import http from 'node:http'
import http2 from 'node:http2'
import type net from 'node:net'

/** All above 0. */
export interface ListenerLimits {
  maxHeaderBytes: number
  headersTimeoutMs: number
  requestTimeoutMs: number
  /** For how long a connection without an open exchange is kept, in both protocols. */
  keepAliveTimeoutMs: number
  maxConcurrentStreams: number
}

export type RequestHandler = (
  req: http.IncomingMessage | http2.Http2ServerRequest,
  res: http.ServerResponse | http2.Http2ServerResponse,
) => void

/** The connections of one protocol. */
export interface Connections {
  /** Takes a socket whose first bytes were put back. */
  serve(socket: net.Socket): void
  closeIdle(): void
  /**
   * Asks each client to leave, and ends its connection after its last exchange. What it has sent
   * before it could know is still served; who stays idle is closed after LINGER_MS.
   */
  leave(): void
}

/** For how long a client that was asked to leave may still begin an exchange: some round trips. */
export const LINGER_MS = 500

/**
 * How long a connection may stay closed on one side. The client that shuts its sending side gets its
 * answer if it takes less, and the call of a client that went away is given up so much later: TCP
 * shows the same FIN for both.
 */
const HALF_CLOSED_MS = 1000

/** The size of message that gRPC accepts by default. */
const MEGABYTES_PER_STREAM = 4

interface Http1Connection {
  readonly answers: Set<http.ServerResponse>
  /** `bytesRead` when the last answer ended: more bytes since are the beginning of a request. */
  readAtRest: number
}

/** HTTP/1.1 by a `node:http` server that never listens itself: `owner` does. */
export function http1(
  owner: net.Server,
  handler: RequestHandler,
  limits: ListenerLimits,
): Connections {
  const connections = new Map<net.Socket, Http1Connection>()
  let leaving = false

  const server = http.createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.ceil(Math.min(limits.headersTimeoutMs, 4000) / 4),
  })
  // Undocumented; without it node drops the answer to a client that has shut its sending side.
  Object.assign(server, { httpAllowHalfOpen: true })

  // node:http enforces its timeouts by an interval that it starts on 'listening' and clears in
  // close(). Until the last socket is gone: a request that stops half-way must still time out.
  owner.on('listening', () => server.emit('listening'))
  owner.on('close', () => server.close())

  // Only if somebody listens, since otherwise node answers by itself.
  owner.on('newListener', (event) => {
    if (event !== 'clientError' || server.listenerCount('clientError') > 0) return
    server.on('clientError', (error, socket) => {
      if (!owner.emit('clientError', error, socket)) socket.destroy(error)
    })
  })

  server.on('connect', (req, socket: net.Socket, head) => {
    if (owner.emit('connectRequest', req, socket, head)) return
    socket.write(
      'HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    )
    socket.destroySoon()
  })

  server.on('request', (req, res) => {
    const { socket } = req
    const connection = connections.get(socket)
    // A request after the answer that announces the close is not processed (RFC 9112, 9.6).
    if (connection === undefined || (leaving && connection.answers.size > 0)) return
    const { answers } = connection
    answers.add(res)
    res.once('close', () => {
      answers.delete(res)
      if (answers.size > 0) return
      connection.readAtRest = socket.bytesRead
      if (leaving) socket.destroySoon()
    })
    if (leaving) res.shouldKeepAlive = false
    handler(req, res)
  })

  // Not node's own closeIdleConnections: it destroys a socket whose answer is still being flushed.
  function closeIdle(): void {
    for (const [socket, { answers, readAtRest }] of connections) {
      if (answers.size === 0 && socket.bytesRead === readAtRest) socket.destroy()
    }
  }

  return {
    serve(socket) {
      connections.set(socket, { answers: new Set(), readAtRest: -1 })
      socket.once('close', () => connections.delete(socket))
      socket.once('end', () => socket.setTimeout(HALF_CLOSED_MS, () => socket.destroy()))
      server.emit('connection', socket)
    },
    closeIdle,
    leave() {
      if (leaving) return
      leaving = true
      setTimeout(closeIdle, LINGER_MS).unref()
      for (const { answers } of connections.values()) {
        // The last one of a pipeline: an earlier one would end the connection before the others.
        const last = [...answers].at(-1)
        if (last !== undefined) last.shouldKeepAlive = false
      }
    },
  }
}

interface Http2Connection {
  readonly session: http2.ServerHttp2Session
  readonly socket: net.Socket | undefined
  streams: number
  /** Refuses new streams and ends the session after the last one. */
  readonly close: () => void
}

/**
 * Node answers a client's GOAWAY by closing the session at once, and so ignores requests that the
 * client made before it: clients put GOAWAY in front of the HEADERS that wait to be written. So that
 * close comes later, and ours by the function that this gives.
 */
function lateClose(session: http2.ServerHttp2Session): () => void {
  const close = session.close.bind(session)
  session.close = () => {
    const timer = setTimeout(close, LINGER_MS)
    session.once('close', () => clearTimeout(timer))
  }
  return close
}

/** GOAWAY with NO_ERROR and the greatest stream id: please go, nothing is refused yet. */
const SHUTDOWN_NOTICE = Buffer.from('0000080700000000007fffffff00000000', 'hex')

/** HTTP/2 without TLS by a `node:http2` server that never listens itself: `owner` does. */
export function http2c(
  owner: net.Server,
  handler: RequestHandler,
  limits: ListenerLimits,
): Connections {
  const connections = new Set<Http2Connection>()
  // Whose session is being made: 'session' is emitted before `serve` returns.
  let arriving: net.Socket | undefined
  let leaving = false

  const server = http2.createServer(
    {
      // Node's 10 MB are less than ten answers of 1 MB take, and then new streams are refused.
      maxSessionMemory: limits.maxConcurrentStreams * MEGABYTES_PER_STREAM,
      settings: {
        maxConcurrentStreams: limits.maxConcurrentStreams,
        maxHeaderListSize: limits.maxHeaderBytes,
      },
    },
    handler,
  )
  server.on('sessionError', (error, session) => owner.emit('sessionError', error, session))

  server.on('session', (session) => {
    const connection: Http2Connection = {
      session,
      socket: arriving,
      streams: 0,
      close: lateClose(session),
    }
    connections.add(connection)
    // Once its SETTINGS, which must come first, are out.
    if (leaving) setImmediate(askToLeave, connection)
    // Not session.setTimeout: pings put it off, and it fires on a stream that is only quiet.
    const idle = setTimeout(() => {
      if (connection.streams === 0) connection.close()
    }, limits.keepAliveTimeoutMs)
    session.once('close', () => {
      clearTimeout(idle)
      connections.delete(connection)
    })
    session.on('stream', (stream) => {
      // Reset before it was announced: it is over, and so may be its 'close'.
      if (stream.destroyed) return
      connection.streams++
      stream.once('close', () => {
        connection.streams--
        if (connection.streams === 0 && !session.destroyed) idle.refresh()
      })
    })
  })

  return {
    serve(socket) {
      // As the sockets that a node:http2 server accepts itself.
      socket.allowHalfOpen = false
      // A session ends its side, then waits for that of its client without a limit.
      socket.once('finish', () => {
        const linger = setTimeout(() => socket.destroy(), HALF_CLOSED_MS)
        socket.once('close', () => clearTimeout(linger))
      })
      arriving = socket
      server.emit('connection', socket)
      arriving = undefined
    },
    closeIdle() {
      for (const { close, streams } of connections) if (streams === 0) close()
    },
    leave() {
      if (leaving) return
      leaving = true
      for (const connection of connections) askToLeave(connection)
    },
  }
}

/**
 * GOAWAY in two steps (RFC 9113, 6.8): the first refuses no stream, so that those which are under way
 * to us are served; the second closes the session after its last stream. node:http2 can send the
 * second only (its goaway() makes nghttp2 ignore new streams, whatever last stream id it names), so
 * the first goes to the socket directly: node writes whole frames, between which it fits.
 */
function askToLeave({ session, socket, close }: Http2Connection): void {
  if (session.closed) return
  if (socket?.writable) socket.write(SHUTDOWN_NOTICE)
  const timer = setTimeout(close, LINGER_MS)
  session.once('close', () => clearTimeout(timer))
}
