import type http from 'node:http'
import type http2 from 'node:http2'
import type net from 'node:net'

/** Limits of one listener. All values must be positive. */
export interface ListenerLimits {
  maxHeaderBytes: number
  headersTimeoutMs: number
  requestTimeoutMs: number
  /** How long a connection without an open exchange is kept, in both protocols. */
  keepAliveTimeoutMs: number
  maxConcurrentStreams: number
  maxConnections: number
}

/** Serves one request. `arrivedAt` is a time of `performance.now()`, earlier if the request waited. */
export type RequestHandler = (
  req: http.IncomingMessage | http2.Http2ServerRequest,
  res: http.ServerResponse | http2.Http2ServerResponse,
  arrivedAt: number,
) => void

/** A complete answer, made in advance. Without a body it consists of headers only. */
export interface Answer {
  status: number
  headers: Readonly<Record<string, string>>
  body?: string
}

/** A request whose headers have arrived; the handler has read nothing of its body. */
export interface Arrival {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<http.IncomingHttpHeaders>
  readonly contentType: string
  readonly hasBody: boolean
  /** When the headers were read, by `performance.now()`. */
  readonly at: number
  /** True if the client went away before the request began. An `onClose` that comes later does not fire. */
  gone(): boolean
  /** Passes the request to the handler. */
  begin(): void
  /** Sends this answer without the handler. */
  refuse(answer: Answer): void
  /**
   * Ends a request whose body is not there, without an answer. Over HTTP/2 it says that no method has
   * begun it, so that clients may send it again (RFC 9113, 8.7).
   */
  abort(): void
  /** Calls back when the handler has read the whole body. */
  onReceived(listener: () => void): void
  /** Calls back when the handler has written its whole answer, also if the client reads nothing. */
  onAnswered(listener: () => void): void
  /** Calls back when the handler finds that the exchange is a stream, which may last for long. */
  onStream(listener: () => void): void
  /** Calls back when the exchange is over, however it ended. */
  onClose(listener: () => void): void
}

/** Begins or refuses each request, at once or later. */
export type Gate = (arrival: Arrival) => void

/** The functions that a protocol passes its requests to, and asks about its connections. */
export interface Handlers {
  handler: RequestHandler
  gate: Gate
  /** The clock of lingering connections. */
  repeat?: Repeat | undefined
}

/** The connections of one protocol. */
export interface Connections {
  /** Serves a socket whose first bytes were put back. */
  serve(socket: net.Socket): void
  closeIdle(): void
  /** Closes one connection that is kept only to read and drop a body; false if there is none. */
  makeRoom(): boolean
  /**
   * Asks each client to leave and closes its connection after the last exchange. Requests that were
   * sent before the client could know are served; idle connections are closed after `leaveMs`.
   */
  leave(): void
}

/** Calls `callback` every `ms` milliseconds until the returned function is called. */
export type Repeat = (callback: () => void, ms: number) => () => void

/** How long a client that was asked to leave may still begin an exchange: several round trips. */
export const leaveMs = 500

/**
 * How long a connection may stay half-closed. A client that shuts its sending side gets its answer if
 * that takes less; the call of a client that went away is given up after this time. TCP shows the same
 * FIN for both.
 */
export const halfClosedMs = 1000
