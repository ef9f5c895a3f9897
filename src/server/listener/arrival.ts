import type http from 'node:http'
import type http2 from 'node:http2'
import type net from 'node:net'

/** All above 0. */
export interface ListenerLimits {
  maxHeaderBytes: number
  headersTimeoutMs: number
  requestTimeoutMs: number
  /** For how long a connection without an open exchange is kept, in both protocols. */
  keepAliveTimeoutMs: number
  maxConcurrentStreams: number
  maxConnections: number
}

/** `arrivedAt` by `performance.now()`, perhaps some time ago. */
export type RequestHandler = (
  req: http.IncomingMessage | http2.Http2ServerRequest,
  res: http.ServerResponse | http2.Http2ServerResponse,
  arrivedAt: number,
) => void

/** A whole answer that is made beforehand. Without a body it is one of headers only. */
export interface Answer {
  status: number
  headers: Readonly<Record<string, string>>
  body?: string
}

/** A request whose headers are there, and of whose body nothing has been read. */
export interface Arrival {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<http.IncomingHttpHeaders>
  readonly contentType: string
  readonly hasBody: boolean
  /** By `performance.now()`. */
  readonly at: number
  /** The same, but of a connection that has rested unread since then it is when that began. */
  readonly since: number
  /** Whether its connection may rest unread. */
  readonly mayRest: boolean
  /** Whether its client has given it up before it could begin; it is not told of a close then. */
  gone(): boolean
  /** Hands it to the handler. */
  begin(): void
  /** Lets its connection have one stream more while it lasts, where there are few. */
  setAside(): void
  /** Answers it without the handler. */
  refuse(answer: Answer): void
  /** Ends it without an answer. */
  abort(): void
  /** Calls back once the handler has read the whole body, if it does. */
  onReceived(listener: () => void): void
  /** Calls back once the handler has given its whole answer, whether or not the client takes it. */
  onAnswered(listener: () => void): void
  /** Calls back once its exchange is over, whatever ended it. */
  onClose(listener: () => void): void
}

/** Begins or refuses each request, now or later. */
export type Gate = (arrival: Arrival) => void

/** What takes the requests in. */
export interface Handlers {
  handler: RequestHandler
  gate: Gate
  /**
   * To be asked once a connection of HTTP/1.1 rests: whether it shall stay unread for now, so that its
   * next call waits in the kernel, which costs nothing. `read` is called when it may be read again.
   */
  holdBack: HoldBack
  /**
   * How many streams each of so many connections of HTTP/2 may have now; undefined for as many as ever.
   * Asked when a stream begins or ends.
   */
  streamsEach: StreamsEach
}

export type StreamsEach = (connections: number) => number | undefined

/** Gives what takes it back; undefined where it may be read on. */
export type HoldBack = (read: () => void) => (() => void) | undefined

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
export const HALF_CLOSED_MS = 1000
