import type { AddressInfo } from 'node:net'
import type { SecureVersion } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Conf } from '../../conf/conf.ts'
import { SettingError } from '../../conf/error.ts'
import { type LiveConf, liveConf } from '../../conf/live.ts'
import { ErrorReason } from '../../gen/api/errors/v1/error_reason_pb.ts'
import { idleMemory } from '../../memory/idle.ts'
import { admission } from '../../server/admission/admission.ts'
import type { Shedding } from '../../server/admission/shedding.ts'
import { grpcServer } from '../../server/grpc.ts'
import type { Readiness } from '../../server/health/readiness.ts'
import { httpServer } from '../../server/http.ts'
import { loadTls, type Tls } from '../../server/listener/tls.ts'
import { type CorsHeaders, parseHeaderNames, parseOrigins } from '../../server/origin/cors.ts'
import type { OpenAuth } from '../auth.ts'
import { documentTexts } from './documents.ts'
import { type InterceptorsInit, interceptorsOf } from './interceptors.ts'
import { callLimits, portLimits, streamDelayMs, streamOptions } from '../limits.ts'
import { routesOf } from '../module.ts'
import { ownServices } from './own-services.ts'
import type { Watch } from '../watch.ts'
import { hostPort } from '../../text/host-port.ts'
import { listenProblem } from '../../text/listen-problem.ts'

interface PortsInit extends InterceptorsInit {
  conf: Conf
  /** The settings that can change; left out: none does. */
  live?: LiveConf
  version: string
  ready: Readiness
  watch: Watch
  /** Refuses calls for load; undefined: none is refused for it. */
  shedding?: Shedding | undefined
  /** Asks callers for credentials; undefined: everybody may call. */
  auth?: OpenAuth | undefined
}

/** The two ports, as openPorts makes them. */
export type Ports = ReturnType<typeof openPorts>

/** Makes the REST port and the RPC port. Neither listens yet. */
export function openPorts(init: PortsInit) {
  const { conf, version, modules, ready, watch, live = liveConf(conf) } = init
  const { server } = conf
  const closing = new AbortController()
  const memory = conf.memory.releaseWhenIdle ? idleMemory() : undefined
  const calls = admission(live.values(callLimits))
  const streams = streamOptions(live)
  const tls = tlsOf(server.tls, watch.log)
  const routes = routesOf(modules)
  const own = ownServices({
    services: modules.flatMap(({ services }) => services),
    ready,
    reflection: server.reflection,
    closing: closing.signal,
  })
  // The ports give reasons of ErrorReason themselves, in addition to those of the modules.
  const reasons = [ErrorReason, ...modules.map((module) => module.reasons)]
  const options = {
    interceptors: interceptorsOf(
      { ...init, live },
      { closing: closing.signal, delayMs: streamDelayMs(server, Math.random) },
    ),
    observers: watch.observers(reasons, memory ? [{ begin: memory.note, end: memory.note }] : []),
    admission: calls,
    shedding: init.shedding,
    streams,
    tls,
    origins: parseOrigins(server.cors.origins),
    corsHeaders: corsHeadersOf(conf, init.auth !== undefined),
    limits: portLimits(server),
  }
  const http = httpServer({ ...options, routes }, ready, {
    version,
    rpcAddress: server.grpc.addr,
    documents: server.docs ? () => documentTexts(modules, version, init.auth?.schemes) : undefined,
  })
  const grpc = grpcServer({
    ...options,
    routes(router) {
      routes(router)
      own(router)
    },
  })

  return {
    /** The number of calls in progress, and its maximum. */
    calls: () => ({ active: calls.active, max: live.current().server.limits.maxConcurrentCalls }),
    /** The end of the validity of the certificate; undefined without TLS. */
    certificateEnd: () => tls?.end(),
    /** Opens both ports and returns their addresses. Throws a SettingError if an address is in use. */
    async listen() {
      memory?.start()
      return {
        http: await listenOn(http.app, 'server.http.addr', server.http.addr),
        grpc: await listenOn(grpc.app, 'server.grpc.addr', server.grpc.addr),
      }
    },
    /** Accepts no new calls, and waits for open ones up to `graceMs`. */
    async close(graceMs: number): Promise<void> {
      closing.abort()
      memory?.stop()
      await Promise.all([http, grpc].map((port) => port.closeGracefully(graceMs)))
    },
  }
}

function tlsOf(conf: Conf['server']['tls'], log: Logger): Tls | undefined {
  return loadTls(
    { ...conf, minVersion: conf.minVersion as SecureVersion },
    {
      unusable: ({ message }) =>
        log.error({ err: message }, 'the changed certificate cannot be used; the one before stays'),
      refused: (reason) => log.info({ reason }, 'TLS handshake failed'),
    },
  )
}

/**
 * Connections that the kernel keeps until the event loop takes them: as many as it allows
 * (net.core.somaxconn, 4096 on Linux), as Go asks for. With node's 511 a burst waits for retransmissions.
 */
const backlog = 65_535

async function listenOn(app: FastifyInstance, setting: string, addr: string): Promise<AddressInfo> {
  const { host, port = 0 } = hostPort(addr)
  try {
    await app.listen({ host, port, backlog })
  } catch (cause) {
    // A rule of a proto that cannot work is found here, too.
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause
    throw new SettingError(setting, listenProblem(addr, cause))
  }
  return app.server.address() as AddressInfo
}

/** Headers that the settings name. */
function corsHeadersOf(
  { server: { cors }, tracing, limits }: Conf,
  authorized: boolean,
): CorsHeaders {
  const { allowHeaders, exposeHeaders } = cors
  const quota = limits.quota.enabled ? ['ratelimit', 'ratelimit-policy'] : []
  const names = [tracing.sampling.priorityHeader, tracing.responseHeader] as const
  const [priority, trace] = names.map((name) => (name === '' ? [] : [name]))
  return {
    allowed: [
      ...parseHeaderNames(allowHeaders, 'server.cors.allow_headers'),
      ...(priority ?? []),
      ...(authorized ? ['authorization', 'x-api-key'] : []),
    ],
    exposed: [
      ...parseHeaderNames(exposeHeaders, 'server.cors.expose_headers'),
      ...(trace ?? []),
      ...quota,
      ...(authorized ? ['www-authenticate'] : []),
    ],
  }
}
