import http from 'node:http'
import type net from 'node:net'
import { attachment } from '../../memory/attachment.ts'
import { inFlight } from '../../memory/in-flight.ts'
import { tellEnd } from './answered.ts'
import {
  type Answer,
  type Connections,
  HALF_CLOSED_MS,
  type Handlers,
  LINGER_MS,
  type ListenerLimits,
} from './arrival.ts'

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

function ignore(): void {}
