import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { createContextKey } from '@connectrpc/connect'
import { originForm } from '../../text/request-target.ts'
import { attachment } from '../../memory/attachment.ts'
import type { Arrival } from '../listener/arrival.ts'
import type { Failure } from './failure.ts'
import type { Protocol } from './protocol.ts'
import { type Direction, streamTally, type StreamTally } from './stream-tally.ts'
import { malformedFrames, unansweredCalls } from './unanswered.ts'

/** One HTTP exchange of either port, from the first header line to the last byte or the abort. */
export interface Exchange {
  readonly method: string
  /** Without the query; only `safePath` of it may be told. */
  readonly path: string
  protocol: Protocol
  /** `/package.Service/Method`; empty until a route is known. */
  operation: string
  /** The template of a REST path, `/v1/books/{id}`; empty elsewhere and until it is known. */
  route: string
  /** Undefined for a request that is refused before it is opened. */
  readonly request?: Request | undefined
  caller?: string
  /** When the request arrived, by `performance.now()`. */
  readonly startedAt: number
  /** Whether the interceptors have seen the call, so that its error already has its details. */
  intercepted: boolean
  failure: Failure | undefined
  /** What a stream has carried; undefined for any other exchange. */
  stream: StreamTally | undefined
  /** HTTP status of the answer; 0 when there was none. */
  httpStatus: number
  /** From the request's arrival to its end. */
  durationMs: number
}

/** Watches exchanges; whatever ended them, each is ended exactly once. */
export interface ExchangeObserver {
  /** A request has arrived; not called for a connection that is refused before there is one. */
  begin?(exchange: Exchange, request: Request, response: Response): void
  /**
   * Calls `work`, which serves the exchange, inside of a context of the observer's, such as a span. At
   * most one of several observers has it.
   */
  around?: (exchange: Exchange, work: () => void) => void
  /** The exchange is a stream. Not called for one that is refused before its method is called. */
  stream?(exchange: Exchange): void
  /** A stream has carried a message. */
  message?(exchange: Exchange, direction: Direction): void
  end(exchange: Exchange): void
}

/** A request of either version of HTTP. */
export type Request = IncomingMessage | Http2ServerRequest
/** A response of either version of HTTP. */
export type Response = ServerResponse | Http2ServerResponse

/** Carries the exchange to the interceptors of a call. */
export const exchangeKey = createContextKey<Exchange | undefined>(undefined, {
  description: 'exchange',
})

/** The exchanges of one port. */
export type Exchanges = ReturnType<typeof exchangeRegistry>

/** Whether the client has canceled it. Over HTTP/2 a body that is cut off looks like a whole one. */
export function isAbandoned({ request }: Exchange): boolean {
  return request !== undefined && isAborted(request)
}

/** Opens an exchange for each request of one port and tells the observers of its end. */
export function exchangeRegistry(protocol: Protocol, observers: readonly ExchangeObserver[]) {
  const exchangeOf = attachment<Request, Exchange>('exchange')
  /** The open exchange of a connection of HTTP/1.1, which has one at a time. */
  const onConnection = new WeakMap<object, Exchange>()
  const brokenOff = new WeakSet<Exchange>()
  const served = new WeakSet<object>()
  const telling = tellingAll(observers)
  const unanswered = unansweredCalls()

  /** Reports a refused connection: as the failure of its open exchange, or as an exchange of its own. */
  function refused(connection: object, failure: Failure): void {
    const exchange = onConnection.get(connection)
    if (exchange === undefined) return telling.end(neverRead(protocol, failure))
    brokenOff.add(exchange)
    exchange.failure ??= failure
  }

  return {
    /** To be called for each request before it is routed; `arrivedAt` by `performance.now()`. */
    open(request: Request, response: Response, arrivedAt: number): Exchange {
      const { method = '', url = '' } = request
      const exchange = newExchange(protocol, { method, url, at: arrivedAt }, request)
      exchangeOf.attach(request, exchange)
      const connection = connectionOf(request)
      onConnection.set(connection, exchange)
      served.add(connection)
      let finished = false
      response.on('finish', () => (finished = true))
      response.on('close', () => {
        if (finished && !isAborted(request)) exchange.httpStatus = response.statusCode
        // Whatever the answer was to be, the client did not get it.
        else if (!brokenOff.has(exchange)) exchange.failure = unanswered.causeOf(request)
        // A pipelined request may have begun meanwhile.
        if (onConnection.get(connection) === exchange) onConnection.delete(connection)
        telling.end(exchange)
      })
      telling.begin(exchange, request, response)
      return exchange
    },

    /** Calls `work` inside of what the observers put around it; undefined if none of them does. */
    around: telling.around,
    /** The exchange of a request that `open` has seen. */
    of: exchangeOf.of,
    ...neverOpened(telling.end, unanswered.cause),
    cutOff: unanswered.cutOff,
    refused,
    /** To be called where a request is about to be served as a stream. */
    streams(request: Request, response: Response): void {
      const exchange = exchangeOf.of(request)
      if (exchange) beginStream(exchange, telling, streamTally(request, response))
    },
    /** Records that the server breaks off an answer; without it the client would be taken for the cause. */
    brokenOff(request: Request, failure: Failure): void {
      const exchange = exchangeOf.of(request)
      if (!exchange) return
      brokenOff.add(exchange)
      exchange.failure = failure
    },

    /**
     * Reports an HTTP/2 connection that ends because its client breaks the protocol, unless it has had
     * requests: those that were open have ended with this failure, and a client that is done sometimes
     * sends a frame for a closed stream.
     */
    broken(session: object): void {
      if (!served.has(session)) refused(session, malformedFrames)
    },
  }
}

type Head = Pick<Arrival, 'method' | 'url' | 'at'>

function newExchange(protocol: Protocol, { method, url, at }: Head, request?: Request): Exchange {
  return {
    request,
    method,
    path: pathOf(url),
    protocol,
    operation: '',
    route: '',
    intercepted: false,
    failure: undefined,
    stream: undefined,
    httpStatus: 0,
    durationMs: 0,
    startedAt: at,
  }
}

/** Reports requests that end before they are opened. */
function neverOpened(end: (exchange: Exchange) => void, cause: () => Failure) {
  return {
    /** Reports one that is refused. */
    turnedAway(asked: Protocol, arrival: Arrival, failure: Failure): void {
      const exchange = newExchange(asked, arrival)
      end(Object.assign(exchange, { failure, httpStatus: failure.status }))
    },
    /** Reports one whose connection or stream is gone. */
    lost(asked: Protocol, arrival: Arrival): void {
      end(Object.assign(newExchange(asked, arrival), { failure: cause() }))
    },
  }
}

/** The exchange of a connection that is refused before there is a request. */
function neverRead(protocol: Protocol, failure: Failure): Exchange {
  const head = { method: '', url: '', at: performance.now() }
  return Object.assign(newExchange(protocol, head), { failure, httpStatus: failure.status })
}

function beginStream(
  exchange: Exchange,
  telling: ReturnType<typeof tellingAll>,
  tally: StreamTally,
): void {
  exchange.stream = tally
  tally.noted = (direction) => telling.message(exchange, direction)
  telling.stream(exchange)
}

function tellingAll(observers: readonly ExchangeObserver[]) {
  return {
    begin(exchange: Exchange, request: Request, response: Response): void {
      for (const observer of observers) observer.begin?.(exchange, request, response)
    },
    around: observers.find(({ around }) => around)?.around,
    stream(exchange: Exchange): void {
      for (const observer of observers) observer.stream?.(exchange)
    },
    message(exchange: Exchange, direction: Direction): void {
      for (const observer of observers) observer.message?.(exchange, direction)
    },
    end: (exchange: Exchange): void => {
      exchange.durationMs = performance.now() - exchange.startedAt
      for (const observer of observers) observer.end(exchange)
    },
  }
}

/** The socket of HTTP/1.1 or the session of HTTP/2, whose requests have a socket of their own each. */
function connectionOf(request: Request): object {
  return ('stream' in request && request.stream.session) || request.socket
}

/** Whether an HTTP/2 stream ended before its answer did; HTTP/1.1 fails the reading instead. */
function isAborted(request: Request): boolean {
  return 'stream' in request && request.stream.aborted
}

function pathOf(url: string): string {
  const target = originForm(url)
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}
