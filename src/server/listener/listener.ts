import type { ServerHttp2Session } from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import { inFlight } from '../../memory/in-flight.ts'
import {
  type Gate,
  type HoldBack,
  LINGER_MS,
  type ListenerLimits,
  type RequestHandler,
  type StreamsEach,
} from './arrival.ts'
import { detectProtocol } from './first-bytes.ts'
import { http1 } from './http1.ts'
import { http2c } from './http2.ts'
import type { Tls } from './tls.ts'

export type { ListenerLimits, RequestHandler } from './arrival.ts'

const KEEP_ALIVE_PROBE_MS = 60_000

/**
 * A server for HTTP/1.1 and HTTP/2 on one cleartext port.
 *
 * Events beside those of `net.Server`: `clientError` (error, socket) as `http.Server` has it,
 * `sessionError` (error, session) as `http2.Server` has it. Without listeners each has a safe
 * default. The handler gets CONNECT, unknown expectations and requests without Host like all others.
 */
export interface DualListener extends net.Server {
  /** Ends the connections without an open exchange, those that never sent a byte too. */
  closeIdleConnections(): void
  /** Ends every connection now, whatever is under way on it. */
  closeAllConnections(): void
  /**
   * Stops accepting, tells every client to leave (`Connection: close` on the HTTP/1.1 answers under
   * way, GOAWAY on HTTP/2), ends what is idle now and the rest with its last exchange. Resolves when
   * all sockets are gone; what is left after `graceMs` is destroyed.
   */
  closeGracefully(graceMs: number): Promise<void>
}

export interface ListenerOptions {
  /** Decides which requests the handler sees, and when; without one it sees each at once. */
  gate?: Gate
  /** Decides which connections of HTTP/1.1 rest unread; without one none does. */
  holdBack?: HoldBack
  /** Decides how many streams a connection of HTTP/2 may have; without one the limits do. */
  streamsEach?: StreamsEach
  /** The whole answer to a connection that is one too many; over TLS it is closed without a word. */
  overflow?: Buffer
  /** Tells of such a connection. */
  overflowed?: (socket: net.Socket) => void
  /** Tells of an HTTP/2 connection that ends because its client breaks the protocol. */
  broken?: (session: ServerHttp2Session) => void
  tls?: Tls | undefined
}

export function dualProtocolListener(
  handler: RequestHandler,
  limits: ListenerLimits,
  {
    gate = (arrival) => arrival.begin(),
    holdBack = () => undefined,
    streamsEach = () => undefined,
    overflow,
    overflowed,
    broken,
    tls: secure,
  }: ListenerOptions = {},
): DualListener {
  const server = createServer(
    {
      // node:http decides itself when an answer to a half-closed client is complete.
      allowHalfOpen: true,
      noDelay: true,
      // A peer that vanished without a word would keep its open streams for ever.
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
      handshakeTimeout: limits.headersTimeoutMs,
    },
    secure,
  )
  server.on('connection', arrive)
  server.on(secure ? 'secureConnection' : 'connection', accept)
  // A handshake that fails ends its own connection only.
  server.on('tlsClientError', (_err: Error, socket: net.Socket) => socket.destroy())
  const handlers = { handler, gate, holdBack, streamsEach }
  const h1 = http1(server, handlers, limits)
  const h2 = http2c(server, handlers, limits)
  server.on('sessionError', (error: Error, session: ServerHttp2Session) => {
    if ('code' in error && error.code === 'ERR_HTTP2_ERROR') broken?.(session)
  })
  const sockets = inFlight<net.Socket>()
  const silent = inFlight<net.Socket>()

  function arrive(socket: net.Socket): void {
    const entry = sockets.add(socket)
    socket.once('close', () => sockets.remove(entry))
    if (sockets.size <= limits.maxConnections) return
    overflowed?.(socket)
    socket.on('error', () => undefined)
    if (secure || !overflow) socket.destroy()
    else socket.end(overflow, () => socket.destroySoon())
  }

  function accept(socket: net.Socket): void {
    // One too many, which has its answer.
    if (socket.destroyed || socket.writableEnded) return
    // Each protocol listens for errors while it holds the socket; this is for before and after.
    socket.on('error', () => undefined)
    const entry = silent.add(socket)

    detectProtocol(
      socket,
      limits.headersTimeoutMs,
      () => silent.remove(entry),
      (isHttp2) => (isHttp2 ? h2 : h1).serve(socket),
    )
  }

  function closeIdleConnections(): void {
    for (const socket of silent.all()) socket.destroy()
    h1.closeIdle()
    h2.closeIdle()
  }

  function closeAllConnections(): void {
    for (const socket of sockets.all()) socket.destroy()
  }

  const stopAccepting = server.close.bind(server)
  function close(callback?: (error?: Error) => void): DualListener {
    stopAccepting(callback)
    // The first bytes of an accepted connection may be under way, too.
    setTimeout(() => silent.all().forEach((socket) => socket.destroy()), LINGER_MS).unref()
    h1.leave()
    h2.leave()
    return listener
  }

  function closeGracefully(graceMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const grace = setTimeout(closeAllConnections, graceMs)
    // The error says that it is closed already, which is what was asked for.
    close(() => {
      clearTimeout(grace)
      resolve()
    })
    return promise
  }

  const methods = { close, closeIdleConnections, closeAllConnections, closeGracefully }
  const listener: DualListener = Object.assign(server, methods)
  return listener
}

function createServer(
  options: net.ServerOpts & tls.TlsOptions,
  secure: Tls | undefined,
): net.Server {
  if (secure === undefined) return net.createServer(options)
  const server = tls.createServer({ ...options, ...secure.options })
  secure.follow(server)
  return server
}
