import type { AddressInfo } from 'node:net'
import type { ConnectRouter } from '@connectrpc/connect'
import pino from 'pino'
import type { Test } from 'tap'
import { admission } from '../../../src/server/admission/admission.ts'
import { type StreamLimits, streamPlaces } from '../../../src/server/admission/stream-places.ts'
import { accessLog } from '../../../src/server/exchange/access-log.ts'
import { grpcServer } from '../../../src/server/grpc.ts'
import { readiness } from '../../../src/server/health/readiness.ts'
import { httpServer } from '../../../src/server/http.ts'
import { interceptors } from '../../../src/server/interceptor/list.ts'
import { patientLimits, patientStreams } from '../../help/limits.ts'
import { type StreamHandlers, streams } from '../../rest/stream/serve-streams.ts'

interface PortsOptions extends Partial<StreamLimits> {
  /** Calls that are worked on at once. */
  maxActive?: number
  requestTimeoutMs?: number
  headersTimeoutMs?: number
}

/** Both ports with these streaming methods, and what they log. */
export async function servePorts(t: Test, handlers: StreamHandlers, options: PortsOptions = {}) {
  const { maxActive = 100, maxStreams = 1000, maxPerAddress = 1000, ...others } = options
  const lines: Record<string, unknown>[] = []
  const log = pino({}, { write: (line) => void lines.push(JSON.parse(line) as object as never) })
  const closing = new AbortController()
  const places = streamPlaces({ maxStreams, maxPerAddress })
  const shared = {
    routes: (router: ConnectRouter) => router.service(streams, handlers as never),
    interceptors: interceptors({ defaultMs: 5000, byOperation: new Map() }, () => undefined, {
      drain: { closing: closing.signal, delayMs: () => 0 },
    }),
    observers: [accessLog(log)],
    admission: admission({ maxActive, maxCalls: maxActive }),
    streams: { ...patientStreams(), places },
    tls: undefined,
    origins: [],
    limits: { ...patientLimits, maxBodyBytes: 2000, ...others },
  }
  const ports = [httpServer(shared, readiness({})), grpcServer(shared)]
  const [rest = 0, rpc = 0] = await Promise.all(
    ports.map(async ({ app }) => {
      await app.listen({ host: '127.0.0.1', port: 0 })
      t.teardown(() => app.close())
      return (app.server.address() as AddressInfo).port
    }),
  )
  return {
    rest,
    rpc,
    places,
    lines,
    /** Begins the drain, as a shutdown does. */
    close: () => closing.abort(),
  }
}
