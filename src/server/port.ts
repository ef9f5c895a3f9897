import type { IncomingHttpHeaders } from 'node:http'
import type { Registry } from '@bufbuild/protobuf'
import type { ConnectRouter, Interceptor } from '@connectrpc/connect'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Admission } from './admission/admission.ts'
import { admissionGate, type GateOptions } from './admission/gate.ts'
import { overloaded } from './admission/refusals.ts'
import type { Shedding } from './admission/shedding.ts'
import type { StreamPlaces } from './admission/stream-places.ts'
import { type ExchangeObserver, type Exchanges, exchangeRegistry } from './exchange/exchange.ts'
import type { Protocol } from './exchange/protocol.ts'
import type { ListenerLimits } from './listener/arrival.ts'
import { dualProtocolListener } from './listener/listener.ts'
import type { Tls } from './listener/tls.ts'
import { cors, type CorsHeaders } from './origin/cors.ts'
import { refuseByHead } from './request-head.ts'

/** The settings of streams. */
interface StreamOptions {
  /** One for the process, too. */
  places: StreamPlaces
  /** Bytes of all messages of a streamed REST request. */
  maxUploadBytes: number
  /** Milliseconds of silence after which a stream of events has a heartbeat. */
  heartbeatMs: number
  /** Milliseconds for which one without a message may still fail with a status of its own. */
  earlyMs: number
}

/** The settings of a port. Both ports get the same ones, but for their routes. */
export interface ServerOptions {
  routes: (router: ConnectRouter) => unknown
  interceptors: Interceptor[]
  observers: readonly ExchangeObserver[]
  limits: ListenerLimits & { maxBodyBytes: number }
  /** One for the process, so that both ports share its limit of calls. */
  admission: Admission
  /** One for the process, too; undefined: no call is refused for load. */
  shedding?: Shedding | undefined
  streams: StreamOptions
  tls: Tls | undefined
  /** Messages that google.protobuf.Any may hold in JSON. */
  types?: Registry
  /** Origins that browsers may call from. */
  origins: readonly string[]
  /** Headers of those calls beside those of the protocols. */
  corsHeaders?: CorsHeaders
}

/** The parts of a port that depend on its protocols. */
export interface PortParts extends Pick<GateOptions, 'protocolOf' | 'timeoutHeaders' | 'answerOf'> {
  /** The raw answer to a connection above the limit. */
  overflow: Buffer
  /** May change the headers of a request before anything reads them. */
  adapt?: (headers: IncomingHttpHeaders) => void
  /** Says where a path is served that this port lacks; empty if neither port has it. */
  elsewhere: (path: string) => string
  fastify: (exchanges: Exchanges) => FastifyServerOptions
}

/** A port that can be given routes, and closed. */
export interface Port {
  app: FastifyInstance
  /** The exchanges of this port. */
  exchanges: Exchanges
  /** Lets the open exchanges end, for `graceMs` at most, then closes Fastify. */
  closeGracefully(graceMs: number): Promise<void>
}

/**
 * Makes a Fastify without routes on a listener for both versions of HTTP: each request passes the gate,
 * opens an exchange, is answered by CORS if it is a preflight, and else reaches Fastify. `protocol` is
 * that of an exchange until its content type is known.
 */
export function port(
  protocol: Protocol,
  { overflow, adapt, elsewhere, fastify: ownOptions, ...gate }: PortParts,
  { observers, limits, admission, shedding, tls, origins, corsHeaders }: ServerOptions,
): Port {
  const exchanges = exchangeRegistry(protocol, observers)
  const allowOrigin = cors(origins, corsHeaders)
  const listener = dualProtocolListener(
    (req, res, arrivedAt) => {
      adapt?.(req.headers)
      const exchange = exchanges.open(req, res, arrivedAt)
      if (allowOrigin?.answers(req, res)) return
      // Fastify's types know one version of HTTP at a time; it serves both.
      if (!exchanges.around) app.routing(req as never, res as never)
      else exchanges.around(exchange, () => app.routing(req as never, res as never))
    },
    limits,
    {
      gate: admissionGate({ ...gate, admission, shedding, allowOrigin, exchanges }),
      tls,
      overflow,
      overflowed: (socket) => exchanges.refused(socket, overloaded.failure),
      broken: (session) => exchanges.broken(session),
      cutting: exchanges.cutOff,
    },
  )
  const app: FastifyInstance = fastify({
    ...ownOptions(exchanges),
    // A request on a connection that is being closed is answered as any other.
    return503OnClosing: false,
    serverFactory: () => listener as never,
    schemaController: withoutSchemas,
  })
  app.addHook('onRequest', refuseByHead(elsewhere))
  return {
    app,
    exchanges,
    async closeGracefully(graceMs) {
      await listener.closeGracefully(graceMs)
      await app.close()
    },
  }
}

/** Bodies are checked by their protobuf messages; without these Fastify loads ajv and a serializer. */
const withoutSchemas = {
  compilersFactory: { buildValidator: () => schemaRefused, buildSerializer: () => schemaRefused },
}

function schemaRefused(): never {
  throw new Error('a route has a JSON schema; messages are described in proto')
}
