import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { createContextKey } from '@connectrpc/connect'
import type { Arrival } from './connections.ts'

export type Protocol = 'rest' | 'connect' | 'grpc' | 'grpc-web' | 'http'

/** How an exchange failed. `status` is the HTTP status of its code, also where HTTP answered 200. */
export interface Failure {
  status: number
  reason: string
  /** What the log shall know and the client shall not. */
  cause?: unknown
}

/** One HTTP exchange of either port, from the first header line to the last byte or the abort. */
export interface Exchange {
  readonly method: string
  /** Without the query, which may carry personal data. */
  readonly path: string
  protocol: Protocol
  /** `/package.Service/Method`; empty until a route is known. */
  operation: string
  /** Whether the interceptors have seen the call, so that its error already has its details. */
  intercepted: boolean
  failure: Failure | undefined
  /** HTTP status of the answer; 0 when there was none. */
  httpStatus: number
  /** From the request's arrival to its end. */
  durationMs: number
}

/** Watches exchanges; whatever ended them, each is ended exactly once. */
export interface ExchangeObserver {
  end(exchange: Exchange): void
}

export type Request = IncomingMessage | Http2ServerRequest
export type Response = ServerResponse | Http2ServerResponse

/** Carries the exchange to the interceptors of a call. */
export const exchangeKey = createContextKey<Exchange | undefined>(undefined, {
  description: 'exchange',
})

type Open = Exchange & { startedAt: number }

export const clientGone: Failure = { status: 499, reason: 'CANCELED' }

export type Exchanges = ReturnType<typeof exchangeRegistry>

/** Opens an exchange for each request of one port and tells the observers of its end. */
export function exchangeRegistry(protocol: Protocol, observers: readonly ExchangeObserver[]) {
  const byRequest = new WeakMap<Request, Exchange>()
  const onSocket = new WeakMap<object, Exchange>()
  const brokenOff = new WeakSet<Exchange>()

  function begin(method: string, path: string, startedAt: number): Open {
    return {
      method,
      path,
      protocol,
      operation: '',
      intercepted: false,
      failure: undefined,
      httpStatus: 0,
      durationMs: 0,
      startedAt,
    }
  }

  function finish(exchange: Open): void {
    exchange.durationMs = performance.now() - exchange.startedAt
    for (const observer of observers) observer.end(exchange)
  }

  return {
    /** To be called for each request before it is routed; `arrivedAt` by `performance.now()`. */
    open(request: Request, response: Response, arrivedAt: number): Exchange {
      const exchange = begin(request.method ?? '', pathOf(request.url ?? ''), arrivedAt)
      byRequest.set(request, exchange)
      onSocket.set(request.socket, exchange)
      let finished = false
      response.once('finish', () => {
        finished = true
      })
      response.once('close', () => {
        if (finished && !wasReset(request)) exchange.httpStatus = response.statusCode
        // Whatever the answer was to be, nobody got it.
        else if (!brokenOff.has(exchange)) exchange.failure = clientGone
        onSocket.delete(request.socket)
        finish(exchange)
      })
      return exchange
    },

    /** The exchange of a request that `open` has seen. */
    of(request: Request): Exchange | undefined {
      return byRequest.get(request)
    },

    /** Tells of a request that ends before it is opened. */
    turnedAway(protocol: Protocol, { method, url, at }: Arrival, failure: Failure): void {
      const httpStatus = failure === clientGone ? 0 : failure.status
      const exchange = begin(method, pathOf(url), at)
      finish(Object.assign(exchange, { protocol, failure, httpStatus }))
    },

    /** Tells of a connection that is refused: it ends the exchange on it, or is one by itself. */
    refused(socket: object, failure: Failure): void {
      const exchange = onSocket.get(socket)
      if (exchange) {
        brokenOff.add(exchange)
        exchange.failure ??= failure
        return
      }
      const unknown = begin('', '', performance.now())
      finish(Object.assign(unknown, { failure, httpStatus: failure.status }))
    },
  }
}

function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

/** Over HTTP/2, whether the client has given the stream up; what it sent of the body then just ends. */
function wasReset(request: Request): boolean {
  return 'stream' in request && request.stream.rstCode === constants.NGHTTP2_CANCEL
}
