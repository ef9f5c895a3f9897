import type { ServerHttp2Session } from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import { attachment } from '../../memory/attachment.ts'
import { type Entry, type InFlight, inFlight } from '../../memory/in-flight.ts'
import {
  type Connections,
  type Gate,
  leaveMs,
  type ListenerLimits,
  type Repeat,
  type RequestHandler,
} from './arrival.ts'
import { detectProtocol } from './first-bytes.ts'
import { http1Connections } from './http1.ts'
import { http2Connections } from './http2.ts'
import type { Tls } from './tls.ts'

const keepAliveProbeMs = 60_000

/**
 * A server for HTTP/1.1 and HTTP/2 on one port.
 *
 * Events beside those of `net.Server`: `clientError` (error, socket) as `http.Server` has it,
 * `sessionError` (error, session) as `http2.Server` has it. Without a listener each has a safe
 * default. CONNECT, unknown expectations and requests without Host reach the handler like all others.
 */
export interface DualListener extends net.Server {
  /** Closes the connections without an open exchange, also those that never sent a byte. */
  closeIdleConnections(): void
  /** Destroys every connection. */
  closeAllConnections(): void
  /**
   * Stops accepting and asks every client to leave: `Connection: close` on the HTTP/1.1 answers under
   * way, GOAWAY on HTTP/2. Idle connections are closed, the others after their last exchange. Resolves
   * when all sockets are closed; after `graceMs` those that are left are destroyed.
   */
  closeGracefully(graceMs: number): Promise<void>
}

/** Options of a listener; each may be left out. */
export interface ListenerOptions {
  /** Decides which requests the handler sees, and when. Default: each begins as it is passed on. */
  gate?: Gate
  /** The raw answer to a connection above `maxConnections`. Over TLS there is none. */
  overflow?: Buffer
  /** Called with each connection above `maxConnections`. */
  overflowed?: (socket: net.Socket) => void
  /** Called when an HTTP/2 connection ends because its client breaks the protocol. */
  broken?: (session: ServerHttp2Session) => void
  /** Called when the time of a graceful close is over, before the connections that are left are ended. */
  cutting?: () => void
  tls?: Tls | undefined
  /** The clock of connections that linger; for tests. */
  repeat?: Repeat
}

/** Makes a listener that passes the requests of both protocols to `handler`. */
export function dualProtocolListener(
  handler: RequestHandler,
  limits: ListenerLimits,
  options: ListenerOptions = {},
): DualListener {
  const { gate = beginAtOnce, broken, repeat } = options
  const server = createServer(limits, options.tls)
  const handlers = { handler, gate, repeat }
  const h1 = http1Connections(server, handlers, limits)
  const h2 = http2Connections(server, handlers, limits)
  const sockets = inFlight<net.Socket>()
  /** Connections whose protocol is not known yet: over TLS, sockets of TCP until the end of the handshake. */
  const undecided = inFlight<net.Socket>()
  const handshakeOf = attachment<net.Socket, Entry<net.Socket>>('handshake')

  function accept(socket: net.Socket): void {
    // A connection above the limit, which has its answer.
    if (socket.destroyed || socket.writableEnded) return
    // Each protocol listens for errors while it has the socket; this is for before and after.
    socket.on('error', ignore)
    const entry = undecided.add(socket)
    detectProtocol(
      socket,
      limits.headersTimeoutMs,
      () => undecided.remove(entry),
      (isHttp2) => (isHttp2 ? h2 : h1).serve(socket),
    )
  }

  server.on('connection', (socket: net.Socket) => {
    const entry = sockets.add(socket)
    socket.once('close', () => sockets.remove(entry))
    if (sockets.size > limits.maxConnections && !h1.makeRoom()) overflow(socket, options)
  })
  if (options.tls === undefined) server.on('connection', accept)
  else {
    server.on('connection', (socket: net.Socket) => {
      const entry = undecided.add(socket)
      handshakeOf.attach(socket, entry)
      socket.once('close', () => undecided.remove(entry))
    })
    server.on('secureConnection', (socket: tls.TLSSocket) => {
      const tcp = tcpOf(socket)
      const entry = tcp && handshakeOf.of(tcp)
      if (entry) undecided.remove(entry)
      accept(socket)
    })
  }
  // A failed handshake closes its own connection only.
  server.on('tlsClientError', (_err: Error, socket: net.Socket) => socket.destroy())
  server.on('sessionError', (error: Error, session: ServerHttp2Session) => {
    if ('code' in error && error.code === 'ERR_HTTP2_ERROR') broken?.(session)
  })
  return Object.assign(
    server,
    closing(server, [h1, h2], { sockets, undecided, cutting: options.cutting }),
  )
}

interface ToClose {
  sockets: InFlight<net.Socket>
  undecided: InFlight<net.Socket>
  cutting: (() => void) | undefined
}

/** The ways to close a listener. `close` is that of `net.Server`, which Fastify calls. */
function closing(
  server: net.Server,
  protocols: readonly Connections[],
  { sockets, undecided, cutting }: ToClose,
) {
  const stopAccepting = server.close.bind(server)

  function closeUndecided(): void {
    for (const socket of undecided.all()) socket.destroy()
  }

  function closeIdleConnections(): void {
    closeUndecided()
    for (const protocol of protocols) protocol.closeIdle()
  }

  function closeAllConnections(): void {
    for (const socket of sockets.all()) socket.destroy()
  }

  function close(callback?: (error?: Error) => void): typeof server {
    stopAccepting(callback)
    // The first bytes of an accepted connection may be under way, too.
    setTimeout(closeUndecided, leaveMs).unref()
    for (const protocol of protocols) protocol.leave()
    return server
  }

  function closeGracefully(graceMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const grace = setTimeout(() => {
      cutting?.()
      closeAllConnections()
    }, graceMs)
    // The callback's error says that the server is closed already, which is the wanted state.
    close(() => {
      clearTimeout(grace)
      // The sockets are closed, and what waits for that, such as the log of an exchange, has not been told.
      const told = Array.from(sockets.all(), (socket) => closed(socket))
      void Promise.all(told).then(() => resolve())
    })
    return promise
  }

  return { close, closeIdleConnections, closeAllConnections, closeGracefully }
}

/** Answers a connection above `maxConnections` and closes it. */
function overflow(socket: net.Socket, { overflow, overflowed, tls }: ListenerOptions): void {
  overflowed?.(socket)
  socket.on('error', ignore)
  if (tls || !overflow) socket.destroy()
  else socket.end(overflow, () => socket.destroySoon())
}

function createServer({ headersTimeoutMs }: ListenerLimits, secure: Tls | undefined): net.Server {
  const options: net.ServerOpts & tls.TlsOptions = {
    // node:http decides by itself when an answer to a half-closed client is complete.
    allowHalfOpen: true,
    noDelay: true,
    // A peer that vanished without a FIN would keep its open streams for ever.
    keepAlive: true,
    keepAliveInitialDelay: keepAliveProbeMs,
    handshakeTimeout: headersTimeoutMs,
  }
  if (secure === undefined) return net.createServer(options)
  const server = tls.createServer({ ...options, ...secure.options })
  secure.follow(server)
  return server
}

/** The socket of TCP below one of TLS. Undocumented; nothing else tells whose handshake is done. */
function tcpOf(socket: tls.TLSSocket): net.Socket | null {
  return (socket as unknown as { _parent: net.Socket | null })._parent
}

const closed = (socket: net.Socket) => new Promise((resolve) => socket.once('close', resolve))

const beginAtOnce: Gate = (arrival) => {
  if (!arrival.gone()) arrival.begin()
}

function ignore(): void {}
