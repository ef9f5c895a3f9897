import http2 from 'node:http2'
import type net from 'node:net'
import { attachment } from '../../memory/attachment.ts'
import { inFlight } from '../../memory/in-flight.ts'
import { keepStreamsLean } from '../../memory/session-streams.ts'
import { answered, stalled } from './answered.ts'
import {
  type Answer,
  type Arrival,
  type Connections,
  type Gate,
  halfClosedMs,
  type Handlers,
  leaveMs,
  type ListenerLimits,
  type RequestHandler,
} from './arrival.ts'
import { endWithAnswer } from './early-answer.ts'
import { continueWhenRead, expectsContinue } from './expect-continue.ts'
import { onStreaming } from './streaming.ts'

const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM, NGHTTP2_REFUSED_STREAM } = http2.constants

/** The state of a stream before it has a request and a response. */
interface Opened {
  at: number
  /** Called when the handler has written its whole answer. */
  listeners: (() => void)[]
  /** Called when the handler finds that the exchange is a stream. */
  streams?: () => void
  /** Ends the limit on the time that the body may take. */
  untimed: (() => void) | undefined
}

interface Http2Connection {
  readonly session: http2.ServerHttp2Session
  streams: number
}

type StreamListener = (
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  flags: number,
  rawHeaders: string[],
) => void

/**
 * Serves HTTP/2 by a `node:http2` server that does not listen itself: `owner` accepts connections. Node
 * keeps a stream for long (ADR 32), so an arrival listens to it by `once`, and it does not keep the call.
 */
export function http2Connections(
  owner: net.Server,
  { handler, gate }: Handlers,
  limits: ListenerLimits,
): Connections {
  const { keepAliveTimeoutMs } = limits
  const connections = inFlight<Http2Connection>()
  const requests = requestServer(handler, keepAliveTimeoutMs)
  const afterPacket = afterPackets(gate)
  const server = createServer(limits)
  let leaving = false

  const onStream: StreamListener = (stream, headers, flags, rawHeaders) => {
    // Before anything else: a stream that is over already may still emit its error.
    stream.on('error', ignore)
    if (stream.destroyed) return
    const opened: Opened = { at: performance.now(), listeners: [], untimed: undefined }
    openedOf.attach(stream, opened)
    const { ':method': method = '', ':path': url = '', 'content-type': type = '' } = headers
    const arrival: Arrival = {
      method,
      url,
      headers,
      contentType: type,
      hasBody: (flags & NGHTTP2_FLAG_END_STREAM) === 0,
      at: opened.at,
      gone: () => stream.closed || stream.destroyed,
      begin: () => void requests.emit('stream', stream, headers, flags, rawHeaders),
      refuse: (answer) => refuse(stream, answer),
      abort: () => stream.close(NGHTTP2_REFUSED_STREAM),
      onReceived: (listener) => stream.once('end', listener),
      onAnswered: (listener) => void opened.listeners.push(listener),
      onStream: (listener) => void (opened.streams = listener),
      onClose: (listener) => stream.once('close', listener),
    }
    if (arrival.hasBody) opened.untimed = limitBody(stream, limits.requestTimeoutMs)
    afterPacket(arrival)
  }

  function open(session: http2.ServerHttp2Session): void {
    const connection: Http2Connection = { session, streams: 0 }
    const entry = connections.add(connection)
    session.once('close', () => connections.remove(entry))
    // The connection was accepted before the shutdown, and its first request may be under way.
    if (leaving) setTimeout(() => session.close(), leaveMs).unref()
    closeWhenIdle(connection, keepAliveTimeoutMs)
  }

  server.on('stream', onStream)
  server.on('session', open)
  server.on('sessionError', (error, session) => owner.emit('sessionError', error, session))

  return {
    serve(socket) {
      takeOver(socket)
      server.emit('connection', socket)
    },
    closeIdle() {
      for (const { session, streams } of connections.all()) if (streams === 0) session.close()
    },
    makeRoom: () => false,
    leave() {
      if (leaving) return
      leaving = true
      // GOAWAY. node:http2 cannot send the shutdown notice of RFC 9113, 6.8, before it: a request that
      // crosses GOAWAY is refused with REFUSED_STREAM, which says that it may be repeated.
      for (const { session } of connections.all()) session.close()
    },
  }
}

/**
 * In units of a million bytes, the largest that node takes. Of a stream that is canceled it leaves the bytes
 * that wait to be sent in the session's count for ever, and past the limit it refuses each new stream of the
 * session. What an answer may keep waiting is bounded by streams, times and the size of messages.
 */
const maxSessionMemory = 2 ** 32 - 1

function createServer({ maxConcurrentStreams, maxHeaderBytes }: ListenerLimits): http2.Http2Server {
  const server = http2.createServer({
    // A client that resets streams this fast attacks (CVE-2023-44487); each of them costs a call.
    streamResetBurst: 200,
    streamResetRate: 20,
    maxSessionMemory,
    settings: { maxConcurrentStreams, maxHeaderListSize: maxHeaderBytes },
  })
  return server.on('session', keepStreamsLean)
}

const openedOf = attachment<http2.Http2Stream, Opened>('arrival')

/**
 * Makes the request and the response of a stream that begins, by a second server without connections,
 * so that a refused stream costs neither.
 */
function requestServer(handler: RequestHandler, idleTimeoutMs: number): http2.Http2Server {
  const server = http2.createServer(serve)
  server.on('connect', serve)
  server.on('checkContinue', serve)
  server.on('checkExpectation', serve)

  function serve(req: http2.Http2ServerRequest, res: http2.Http2ServerResponse): void {
    const { stream } = req
    const { at, listeners, streams, untimed } = openedOf.of(stream) as Opened
    // Node keeps streams for long after their end (ADR 32) and would keep the call with them.
    openedOf.detach(stream)
    let isStream = false
    let isOver = false
    function over(): void {
      if (isOver) return
      isOver = true
      for (const listener of listeners.splice(0)) listener()
      // A client that reads nothing for the idle timeout loses its stream.
      stream.setTimeout(idleTimeoutMs, () => stream.close(NGHTTP2_CANCEL))
    }
    onStreaming(res, () => {
      isStream = true
      untimed?.()
      streams?.()
    })
    answered(res, over)
    // An answer that is written in parts would end only when its client has read them.
    stalled(res, () => {
      if (!isStream) over()
    })
    // Node tells the request that its stream has ended only if that happens later.
    if (stream.readableEnded) req.push(null)
    if (expectsContinue(req)) continueWhenRead(req, res)
    handler(req, res, at)
  }

  return server
}

/** Ends a stream whose body takes too long. Returns the function that ends the limit. */
function limitBody(stream: http2.ServerHttp2Stream, timeoutMs: number): () => void {
  const timer = setTimeout(() => stream.close(NGHTTP2_CANCEL), timeoutMs)
  const untimed = () => clearTimeout(timer)
  stream.on('end', untimed)
  stream.on('close', untimed)
  return untimed
}

/** Counts the streams of a connection, and closes the connection after the idle timeout. */
function closeWhenIdle(connection: Http2Connection, idleTimeoutMs: number): void {
  const { session } = connection
  // Not session.setTimeout: pings would reset it, and it fires while a stream is only quiet.
  const idle = setTimeout(() => {
    if (connection.streams === 0) session.close()
  }, idleTimeoutMs)
  session.once('close', () => clearTimeout(idle))
  session.on('stream', (stream) => {
    // The stream was reset before it was announced; its 'close' may have been emitted.
    if (stream.destroyed) return
    connection.streams += 1
    endWithAnswer(stream)
    stream.on('close', () => {
      connection.streams -= 1
      if (connection.streams === 0 && !session.destroyed) idle.refresh()
    })
  })
}

/** Prepares a socket as a node:http2 server does for those that it accepts itself. */
function takeOver(socket: net.Socket): void {
  socket.allowHalfOpen = false
  // A session that has ended its side would wait for its client without a limit.
  socket.once('finish', () => {
    const linger = setTimeout(() => socket.destroy(), halfClosedMs)
    socket.once('close', () => clearTimeout(linger))
  })
}

/**
 * Passes streams on when all frames that arrived together are read. A stream that is reset in the packet
 * which opens it is gone by then; refusing it costs a tenth of a call (CVE-2023-44487).
 */
function afterPackets(gate: Gate): Gate {
  let waiting: Arrival[] = []
  function proceed(): void {
    const arrivals = waiting
    waiting = []
    for (const arrival of arrivals) gate(arrival)
  }
  return (arrival) => {
    if (waiting.push(arrival) === 1) setImmediate(proceed)
  }
}

function refuse(stream: http2.ServerHttp2Stream, { status, headers, body }: Answer): void {
  // After the client has gone, and before 'close' is emitted, node throws.
  if (stream.closed || stream.destroyed) return
  stream.respond({ ':status': status, ...headers }, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
}

function ignore(): void {}
