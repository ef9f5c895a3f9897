import http from 'node:http'
import type net from 'node:net'
import { attachment } from '../../memory/attachment.ts'
import { inFlight } from '../../memory/in-flight.ts'
import { afterReading } from './after-reading.ts'
import { answered } from './answered.ts'
import {
  type Answer,
  type Arrival,
  type Connections,
  halfClosedMs,
  type Handlers,
  leaveMs,
  type ListenerLimits,
  type RequestHandler,
} from './arrival.ts'
import { connectResponse } from './connect-response.ts'
import { continueWhenRead } from './expect-continue.ts'
import { dropRemaining, lingeringClose } from './lingering-close.ts'
import { type Pipeline, pipeline } from './pipeline.ts'
import { isTimedElsewhere, onStreaming } from './streaming.ts'

/** Bytes of an unwanted body that are read to keep the connection, since a new one costs more. */
const maxDroppedBytes = 16_384

interface Http1Connection {
  readonly socket: net.Socket
  readonly pipeline: Pipeline
  /** The request that has arrived and is to begin. */
  readonly arrivals: ReturnType<typeof afterReading>
  /** The last request that began, until it is answered and its body is read to the end. */
  request: http.IncomingMessage | undefined
  /** The answer to it. */
  answer: http.ServerResponse | undefined
  /** `socket.bytesRead` after the last answer: a higher number means that a request has begun. */
  idleBytesRead: number
}

/** Serves HTTP/1.1 by a `node:http` server that does not listen itself: `owner` accepts connections. */
export function http1Connections(
  owner: net.Server,
  { handler, gate, repeat }: Handlers,
  limits: ListenerLimits,
): Connections {
  const connections = inFlight<Http1Connection>()
  const connectionOf = attachment<net.Socket, Http1Connection>('connection')
  const lingering = lingeringClose(repeat)
  const server = createServer(owner, limits, { begin, of: connectionOf.of })
  let leaving = false

  function begin(req: http.IncomingMessage, res: http.ServerResponse): void {
    const { socket } = req
    const connection = connectionOf.of(socket)
    // A request after the answer that announces the close is not processed (RFC 9112, 9.6).
    if (connection === undefined || (leaving && !connection.pipeline.isEmpty())) return
    connection.request = req
    connection.answer = res
    if (leaving) res.shouldKeepAlive = false
    res.on('close', () => {
      if (answerOver(connection, req) && leaving) socket.destroySoon()
    })
    const isAdded = connection.pipeline.add(res, () => {
      if (socket.destroyed) return
      limitReading(socket, res, limits.keepAliveTimeoutMs)
      connection.arrivals.take(arrivalOf(req, res, handler))
    })
    if (!isAdded) socket.destroy()
  }

  // Node's own closeIdleConnections would destroy a socket whose answer is still being flushed.
  function closeIdle(): void {
    for (const { socket, pipeline, idleBytesRead } of connections.all()) {
      if (pipeline.isEmpty() && socket.bytesRead === idleBytesRead) socket.destroy()
    }
  }

  function leave(): void {
    if (leaving) return
    leaving = true
    setTimeout(closeIdle, leaveMs).unref()
    lingering.leave()
    for (const { pipeline } of connections.all()) pipeline.closeAfterLast()
  }

  return {
    serve(socket) {
      const connection: Http1Connection = {
        socket,
        pipeline: pipeline(),
        arrivals: afterReading(gate),
        request: undefined,
        answer: undefined,
        idleBytesRead: -1,
      }
      connectionOf.attach(socket, connection)
      const entry = connections.add(connection)
      lingering.guard(socket, () => connection.request)
      socket.once('close', () => connections.remove(entry))
      socket.once('end', () => socket.setTimeout(halfClosedMs, () => socket.destroy()))
      server.emit('connection', socket)
      if ('encrypted' in socket) readAsStream(socket)
    },
    closeIdle,
    makeRoom: lingering.closeOldest,
    leave,
  }
}

/** To be called when the answer to `req` is over. Returns whether it was the last one of the connection. */
function answerOver(connection: Http1Connection, req: http.IncomingMessage): boolean {
  const isIdle = !connection.pipeline.proceed()
  if (!req.complete) dropRemaining(req)
  if (!isIdle) return false
  if (req.complete) {
    connection.request = undefined
    connection.answer = undefined
  }
  connection.idleBytesRead = connection.socket.bytesRead
  return true
}

/** Whether nobody is to be refused for an error, since there is an answer or a stream. */
function isHandled(connection: Http1Connection | undefined, error: Error): boolean {
  // What is malformed came after it.
  connection?.arrivals.pass()
  return isTimedElsewhere(connection?.request, error) || endAfterAnswer(connection)
}

/**
 * Ends a connection with the answer to its last request where that turns out to be malformed after its
 * answer has begun, or what follows it: another answer would be taken for its own. False if there is no
 * such answer.
 */
function endAfterAnswer(connection: Http1Connection | undefined): boolean {
  const { socket, request, answer } = connection ?? {}
  if (!socket || !request || !answer) return false
  if (request.complete ? answer.writableFinished : !answer.headersSent) return false
  if (answer.writableFinished) socket.destroySoon()
  // What follows is malformed, too, and each packet of it comes here.
  else if (!answer.shouldKeepAlive) return true
  else answer.once('finish', () => socket.destroySoon()).shouldKeepAlive = false
  return true
}

/** Closes the connection if the client reads nothing of a complete answer for the idle timeout. */
function limitReading(socket: net.Socket, res: http.ServerResponse, idleTimeoutMs: number): void {
  answered(res, () => {
    // A half-closed connection has less time already.
    if (!socket.readableEnded) socket.setTimeout(idleTimeoutMs)
  })
}

function arrivalOf(
  req: http.IncomingMessage,
  res: http.ServerResponse,
  handler: RequestHandler,
): Arrival {
  const { socket } = req
  const at = performance.now()
  return {
    method: req.method ?? '',
    url: req.url ?? '',
    headers: req.headers,
    contentType: req.headers['content-type'] ?? '',
    hasBody: bodyBytes(req) > 0,
    at,
    gone: () => socket.destroyed,
    begin: () => handler(req, res, at),
    refuse: (answer) => refuse(req, res, answer),
    abort: () => void socket.destroy(),
    onReceived: (listener) => req.on('end', listener),
    onAnswered: (listener) => answered(res, listener),
    onStream: (listener) => onStreaming(res, listener),
    onClose: (listener) => res.on('close', listener),
  }
}

interface Connected {
  begin: (req: http.IncomingMessage, res: http.ServerResponse) => void
  of: (socket: net.Socket) => Http1Connection | undefined
}

function createServer(
  owner: net.Server,
  limits: ListenerLimits,
  { begin, of }: Connected,
): http.Server {
  const server = http.createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // The ports refuse a request without Host, with a body and a line in the log.
    requireHostHeader: false,
    connectionsCheckingInterval: Math.ceil(Math.min(limits.headersTimeoutMs, 4000) / 4),
  })
  // Undocumented; without it node drops the answer to a client that has shut its sending side.
  Object.assign(server, { httpAllowHalfOpen: true })
  // node:http checks its timeouts by an interval that it starts on 'listening' and clears in close().
  // It has to run until the last socket is gone: a request that stops half-way must still time out.
  owner.on('listening', () => server.emit('listening'))
  owner.on('close', () => server.close())
  // Node answers a client error by itself unless there is a listener, so none is added without need.
  owner.on('newListener', (event) => {
    if (event !== 'clientError' || server.listenerCount('clientError') > 0) return
    server.on('clientError', (error, socket: net.Socket) => {
      if (isHandled(of(socket), error)) return
      if (!owner.emit('clientError', error, socket)) socket.destroy(error)
    })
  })
  server.on('request', begin)
  server.on('checkContinue', (req, res) => {
    continueWhenRead(req, res)
    begin(req, res)
  })
  // An expectation other than 100-continue.
  server.on('checkExpectation', begin)
  // Without a listener node would drop the connection without an answer.
  server.on('connect', (req, socket: net.Socket) => {
    // Node no longer listens for 'drain' and 'close', so an earlier answer could not be completed.
    if (of(socket)?.pipeline.isEmpty()) begin(req, connectResponse(req, socket))
    else socket.destroy()
  })
  return server
}

function refuse(req: http.IncomingMessage, res: http.ServerResponse, answer: Answer): void {
  if (bodyBytes(req) > maxDroppedBytes) res.shouldKeepAlive = false
  const { status, headers, body = '' } = answer
  res.writeHead(status, body === '' ? { ...headers, 'content-length': '0' } : headers)
  res.end(body)
}

/** The size of the body as the headers announce it. */
function bodyBytes({ headers }: http.IncomingMessage): number {
  return headers['transfer-encoding'] === undefined
    ? Number(headers['content-length'] ?? 0)
    : Number.POSITIVE_INFINITY
}

/**
 * While an answer waits for its client, node:http pauses its parser. Over TLS one read may bring several
 * records, and the parser would get the later ones all the same and take them for a malformed request.
 * With a listener for 'data' node reads by its streams, which keep the records.
 */
function readAsStream(socket: net.Socket): void {
  socket.on('data', () => undefined)
}
