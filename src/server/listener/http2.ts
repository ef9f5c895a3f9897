import http2 from 'node:http2'
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

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_FLAG_END_STREAM } = http2.constants

/** The size of message that gRPC accepts by default. */
const MEGABYTES_PER_STREAM = 4

function answer2(stream: http2.ServerHttp2Stream, { status, headers, body }: Answer): void {
  // Its client has gone, and 'close' has not been told yet: node throws.
  if (stream.closed || stream.destroyed) return
  stream.respond({ ':status': status, ...headers }, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
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
