import http from 'node:http'
import http2 from 'node:http2'
import type net from 'node:net'
import { inFlight } from '../../memory/in-flight.ts'
import { attachment } from '../../memory/attachment.ts'

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_FLAG_END_STREAM } = http2.constants

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
const HALF_CLOSED_MS = 1000

/** The size of message that gRPC accepts by default. */
const MEGABYTES_PER_STREAM = 4

/**
 * For how long what a refused request still sends is read and dropped, as nginx's lingering close
 * does. Closing at once with bytes unread resets the connection, and the client loses the answer.
 */
const UNREAD_MS = 500

/**
 * Requests of one HTTP/1.1 connection that wait for the answer to the one before. A single packet can
 * hold a thousand, all of which node:http would begin before anybody else is served. A client that
 * sends more loses the connection.
 */
const MAX_DEFERRED = 4096

/** What of an unwanted body is read and dropped for the sake of its connection, which costs more. */
const DROPPED_BYTES = 16_384

function answer1(req: http.IncomingMessage, res: http.ServerResponse, answer: Answer): void {
  if (bodyBytes(req) > DROPPED_BYTES) res.shouldKeepAlive = false
  const { status, headers, body = '' } = answer
  res.writeHead(status, body === '' ? { ...headers, 'content-length': '0' } : headers)
  res.end(body)
}

/** As the headers announce it. */
function bodyBytes({ headers }: http.IncomingMessage): number {
  return headers['transfer-encoding'] === undefined
    ? Number(headers['content-length'] ?? 0)
    : Number.POSITIVE_INFINITY
}

function answer2(stream: http2.ServerHttp2Stream, { status, headers, body }: Answer): void {
  // Its client has gone, and 'close' has not been told yet: node throws.
  if (stream.closed || stream.destroyed) return
  stream.respond({ ':status': status, ...headers }, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
}

/** Neither kind of response tells when its `end` is called, and 'finish' waits for the client. */
function tellEnd(res: Parameters<RequestHandler>[1], answered: () => void): void {
  const end = res.end.bind(res) as (...args: unknown[]) => typeof res
  Object.assign(res, {
    end(...args: unknown[]) {
      answered()
      return end(...args)
    },
  })
}

/** Lets the client read the answer that came before the end of its request. */
function closeLingering(socket: net.Socket, current: () => http.IncomingMessage | undefined): void {
  const destroySoon = socket.destroySoon.bind(socket)
  socket.destroySoon = () => {
    const req = current()
    if (req === undefined || req.complete) {
      destroySoon()
      return
    }
    socket.end()
    dropRest(req)
    const lingering = setTimeout(() => socket.destroy(), UNREAD_MS)
    socket.once('close', () => clearTimeout(lingering))
  }
}

/**
 * Reads and drops what is left of a request that has its answer. Node does so only if nothing of it was
 * read; else the bytes that nobody takes stop the next request on the connection.
 */
function dropRest(req: http.IncomingMessage): void {
  req.removeAllListeners('readable')
  // Node learns in the next tick that nobody listens.
  setImmediate(() => req.resume())
}

/**
 * While an answer waits for its client, node:http pauses its parser. Over TLS a read may bring several
 * records and the parser gets the later ones nevertheless, which it takes for a malformed request. Who
 * listens for data makes node read by its streams, which keep them.
 */
function readInTurn(socket: net.Socket): void {
  socket.on('data', () => undefined)
}

/** Not over TLS, whose reading is not the socket's own. */
function mayRest(socket: net.Socket): boolean {
  return !('encrypted' in socket)
}

interface Http1Connection {
  readonly socket: net.Socket
  /** The last one that began, and its answer, until both are over. */
  request: http.IncomingMessage | undefined
  lastAnswer: http.ServerResponse | undefined
  /** Answers that are not over. */
  answers: number
  /** Begin requests that had to wait for earlier ones, in order. */
  readonly deferred: (() => void)[]
  /** Where it rests unread: no longer to be told when it may be read. */
  release: (() => void) | undefined
  /** Since when it has rested, also while what came meanwhile is being read. */
  restsSince: number | undefined
  /** `bytesRead` when the last answer ended: more bytes since are the beginning of a request. */
  readAtRest: number
}

/** HTTP/1.1 by a `node:http` server that never listens itself: `owner` does. */
export function http1(
  owner: net.Server,
  { handler, gate, holdBack }: Handlers,
  limits: ListenerLimits,
): Connections {
  const connections = inFlight<Http1Connection>()
  const connectionOf = attachment<net.Socket, Http1Connection>('connection')
  let leaving = false

  const server = http.createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // The ports refuse it, with a body and a line in the log.
    requireHostHeader: false,
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

  // Node would end the connection without a listener; the ports refuse it as any other request.
  server.on('connect', (req, socket: net.Socket) => {
    const res = new http.ServerResponse(req)
    res.shouldKeepAlive = false
    res.assignSocket(socket)
    res.once('finish', () => socket.destroySoon())
    begin(req, res)
  })
  // Of what nobody knows; 100-continue is node's own.
  server.on('checkExpectation', begin)
  server.on('request', begin)

  function begin(req: http.IncomingMessage, res: http.ServerResponse): void {
    const { socket } = req
    const connection = connectionOf.of(socket)
    // A request after the answer that announces the close is not processed (RFC 9112, 9.6).
    if (connection === undefined || (leaving && connection.answers > 0)) return
    if (connection.deferred.length >= MAX_DEFERRED) return void socket.destroy()
    connection.request = req
    connection.lastAnswer = res
    connection.answers += 1
    res.once('close', () => {
      connection.answers -= 1
      connection.deferred.shift()?.()
      if (!req.complete) dropRest(req)
      if (connection.answers > 0) return
      // A connection may rest for long, and all that the call had would rest with it.
      connection.lastAnswer = undefined
      if (req.complete) connection.request = undefined
      connection.readAtRest = socket.bytesRead
      if (leaving) socket.destroySoon()
      else rest(connection)
    })
    if (leaving) res.shouldKeepAlive = false
    if (connection.answers === 1) arrive(req, res, connection)
    else connection.deferred.push(() => arrive(req, res, connection))
  }

  /** Not while its request is still coming, whose rest is read and dropped. */
  function rest(connection: Http1Connection): void {
    const { socket, request } = connection
    if (!mayRest(socket) || socket.destroyed || request) return
    connection.release = holdBack(() => read(connection))
    if (!connection.release) return
    connection.restsSince = performance.now()
    socket.pause()
    // Whether it is idle is not known before it is read.
    socket.setTimeout(0)
  }

  function read(connection: Http1Connection): void {
    if (!connection.release) return
    const { restsSince } = connection
    connection.release()
    connection.release = undefined
    connection.socket.resume()
    connection.socket.setTimeout(limits.keepAliveTimeoutMs)
    // What came while it rested is read before the second one, when it may rest anew.
    setImmediate(() =>
      setImmediate(() => {
        if (connection.restsSince === restsSince) connection.restsSince = undefined
      }),
    )
  }

  function arrive(
    req: http.IncomingMessage,
    res: http.ServerResponse,
    connection: Http1Connection,
  ): void {
    const { socket } = connection
    if (socket.destroyed) return
    const at = performance.now()
    tellEnd(res, () => {
      // Who takes nothing of an answer for so long never will. A client that has gone has less time.
      if (!socket.readableEnded) socket.setTimeout(limits.keepAliveTimeoutMs)
    })
    gate({
      method: req.method ?? '',
      url: req.url ?? '',
      headers: req.headers,
      contentType: req.headers['content-type'] ?? '',
      hasBody: bodyBytes(req) > 0,
      at,
      since: connection.restsSince ?? at,
      mayRest: mayRest(socket),
      gone: () => socket.destroyed,
      begin: () => handler(req, res, at),
      setAside: ignore,
      refuse: (answer) => answer1(req, res, answer),
      abort: () => void socket.destroy(),
      onReceived: (listener) => req.once('end', listener),
      onAnswered: (listener) => tellEnd(res, listener),
      onClose: (listener) => res.once('close', listener),
    })
  }

  // Not node's own closeIdleConnections: it destroys a socket whose answer is still being flushed.
  function closeIdle(): void {
    for (const { socket, answers, readAtRest } of connections.all()) {
      if (answers === 0 && socket.bytesRead === readAtRest) socket.destroy()
    }
  }

  return {
    serve(socket) {
      const connection: Http1Connection = {
        socket,
        request: undefined,
        lastAnswer: undefined,
        answers: 0,
        deferred: [],
        release: undefined,
        restsSince: undefined,
        readAtRest: -1,
      }
      connectionOf.attach(socket, connection)
      const entry = connections.add(connection)
      closeLingering(socket, () => connection.request)
      socket.once('close', () => {
        connections.remove(entry)
        connection.release?.()
      })
      socket.once('end', () => socket.setTimeout(HALF_CLOSED_MS, () => socket.destroy()))
      server.emit('connection', socket)
      if ('encrypted' in socket) readInTurn(socket)
    },
    closeIdle,
    leave() {
      if (leaving) return
      leaving = true
      setTimeout(closeIdle, LINGER_MS).unref()
      for (const connection of connections.all()) {
        const { lastAnswer } = connection
        // The last one of a pipeline: an earlier one would end the connection before the others.
        if (lastAnswer !== undefined) lastAnswer.shouldKeepAlive = false
        // It may have sent a call before it could know.
        read(connection)
      }
    },
  }
}

/** When to look again whether an answer has been sent, which node does not tell; twice as long each time. */
const SENT_POLL_MS = 10
const SENT_POLL_MAX_MS = 1000

/**
 * Ends a stream whose answer is complete before its request is, with NO_ERROR: the client shall send
 * no more of it (RFC 9113, 8.1). Node does so only if nothing of the request was read; else a client
 * waits for a window that nobody opens, and the exchange never ends.
 */
function endWithAnswer(stream: http2.ServerHttp2Stream): void {
  if (stream.endAfterHeaders) return
  function end(againMs: number): void {
    if (stream.destroyed || stream.readableEnded) return
    // A reset overtakes what is not sent yet.
    if (stream.closed || stream.state.localClose === 1) stream.destroy()
    else setTimeout(end, againMs, Math.min(2 * againMs, SENT_POLL_MAX_MS)).unref()
  }
  stream.once('finish', () => setImmediate(end, SENT_POLL_MS))
}

/**
 * Calls back when all frames that have arrived together are read. A stream that is reset in the packet
 * that opens it is no call by then, and costs a tenth of one (CVE-2023-44487).
 */
function afterPackets(): (callback: () => void) => void {
  let waiting: (() => void)[] = []
  function proceed(): void {
    const now = waiting
    waiting = []
    for (const callback of now) callback()
  }
  return (callback) => {
    if (waiting.push(callback) === 1) setImmediate(proceed)
  }
}

interface Opened {
  at: number
  answered: (() => void)[]
}

function ignore(): void {}

interface Http2Connection {
  readonly session: http2.ServerHttp2Session
  streams: number
  /** Streams that do not count where there are few. */
  setAside: number
  /** What its client has been told last. */
  maxStreams: number
}

/** HTTP/2 without TLS by a `node:http2` server that never listens itself: `owner` does. */
export function http2c(
  owner: net.Server,
  { handler, gate, streamsEach }: Handlers,
  limits: ListenerLimits,
): Connections {
  const connections = inFlight<Http2Connection>()
  const connectionOf = attachment<http2.Http2Session, Http2Connection>('connection')
  let leaving = false

  const server = http2.createServer({
    // Whoever resets streams this fast is attacking (CVE-2023-44487); each one costs a call.
    streamResetBurst: 200,
    streamResetRate: 20,
    // Node's 10 MB are less than ten answers of 1 MB take, and then new streams are refused.
    maxSessionMemory: limits.maxConcurrentStreams * MEGABYTES_PER_STREAM,
    settings: {
      maxConcurrentStreams: limits.maxConcurrentStreams,
      maxHeaderListSize: limits.maxHeaderBytes,
    },
  })
  // Makes a request and a response of a stream; it has no connections of its own.
  const requests = http2.createServer(serve)
  requests.on('connect', serve)
  requests.on('checkExpectation', serve)
  const afterPacket = afterPackets()
  const arrivals = attachment<http2.Http2Stream, Opened>('arrival')

  function serve(req: http2.Http2ServerRequest, res: http2.Http2ServerResponse): void {
    const { stream } = req
    const { at, answered } = arrivals.of(stream) ?? { at: performance.now(), answered: [] }
    // Node keeps streams for long after their end (ADR 32), and the call shall not be kept with them.
    arrivals.detach(stream)
    tellEnd(res, () => {
      for (const listener of answered.splice(0)) listener()
      // Who takes nothing of an answer for so long never will.
      stream.setTimeout(limits.keepAliveTimeoutMs, () => stream.close(NGHTTP2_CANCEL))
    })
    // Node tells the request of the end of its stream only if that is still to come.
    if (stream.readableEnded) req.push(null)
    handler(req, res, at)
  }

  /** Streams that are open already stay; one that is begun before the client knows is refused, and may be repeated. */
  function limitStreams(connection: Http2Connection): void {
    const { session, setAside } = connection
    const each = streamsEach(connections.size)
    const most =
      each === undefined
        ? limits.maxConcurrentStreams
        : Math.min(each + setAside, limits.maxConcurrentStreams)
    // A client that does not answer is told no more.
    if (most === connection.maxStreams || session.closed || session.pendingSettingsAck) return
    connection.maxStreams = most
    session.settings({ maxConcurrentStreams: most })
  }

  function setAside(stream: http2.ServerHttp2Stream): void {
    const connection = stream.session && connectionOf.of(stream.session)
    if (!connection || stream.closed) return
    connection.setAside += 1
    stream.once('close', () => {
      connection.setAside -= 1
      limitStreams(connection)
    })
    limitStreams(connection)
  }

  server.on('stream', (stream, headers, flags, rawHeaders) => {
    // Before anything else: one that is over already may still have its error to tell.
    stream.on('error', ignore)
    if (stream.destroyed) return
    const { ':method': method = '', ':path': url = '', 'content-type': type = '' } = headers
    const at = performance.now()
    const hasBody = (flags & NGHTTP2_FLAG_END_STREAM) === 0
    const answered: (() => void)[] = []
    arrivals.attach(stream, { at, answered })
    afterPacket(() =>
      gate({
        method,
        url,
        headers,
        contentType: type,
        hasBody,
        at,
        since: at,
        mayRest: false,
        gone: () => stream.closed || stream.destroyed,
        begin: () => void requests.emit('stream', stream, headers, flags, rawHeaders),
        setAside: () => setAside(stream),
        refuse: (answer) => answer2(stream, answer),
        abort: () => stream.close(NGHTTP2_ENHANCE_YOUR_CALM),
        onReceived: (listener) => stream.once('end', listener),
        onAnswered: (listener) => void answered.push(listener),
        onClose: (listener) => stream.once('close', listener),
      }),
    )
  })
  server.on('sessionError', (error, session) => owner.emit('sessionError', error, session))

  server.on('session', (session) => {
    const connection: Http2Connection = {
      session,
      streams: 0,
      setAside: 0,
      maxStreams: limits.maxConcurrentStreams,
    }
    connectionOf.attach(session, connection)
    const entry = connections.add(connection)
    // It was accepted before, and its first request may be under way.
    if (leaving) setTimeout(() => session.close(), LINGER_MS).unref()
    // Not session.setTimeout: pings put it off, and it fires on a stream that is only quiet.
    const idle = setTimeout(() => {
      if (connection.streams === 0) session.close()
    }, limits.keepAliveTimeoutMs)
    session.once('close', () => {
      clearTimeout(idle)
      connections.remove(entry)
    })
    session.on('stream', (stream) => {
      // Reset before it was announced: it is over, and so may be its 'close'.
      if (stream.destroyed) return
      connection.streams++
      limitStreams(connection)
      endWithAnswer(stream)
      stream.once('close', () => {
        connection.streams--
        limitStreams(connection)
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
      server.emit('connection', socket)
    },
    closeIdle() {
      for (const { session, streams } of connections.all()) if (streams === 0) session.close()
    },
    leave() {
      if (leaving) return
      leaving = true
      // GOAWAY; node:http2 has no shutdown notice to send before it (RFC 9113, 6.8), so a request that
      // crosses it is refused with REFUSED_STREAM, which says that it may be repeated.
      for (const { session } of connections.all()) session.close()
    },
  }
}
