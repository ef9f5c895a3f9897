import { readFileSync } from 'node:fs'
import type { ServiceImpl } from '@connectrpc/connect'
import pino from 'pino'
import type { Test } from 'tap'
import { appClients } from '../../src/app/client/clients.ts'
import { openPorts } from '../../src/app/port/ports.ts'
import { watchers } from '../../src/app/watch.ts'
import { loadConf } from '../../src/conf/conf.ts'
import { liveConf } from '../../src/conf/live.ts'
import type { Discovery } from '../../src/fleet/registry.ts'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import { ErrorReason } from '../../src/gen/api/errors/v1/error_reason_pb.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { validator } from '../../src/conf/validator.ts'
import { messageRules } from '../../src/server/interceptor/violations.ts'
import { readiness } from '../../src/server/health/readiness.ts'
import { startMetrics } from '../../src/telemetry/metric/start.ts'
import { tracingSettings } from '../../src/telemetry/trace/settings.ts'
import { startTracing } from '../../src/telemetry/trace/start.ts'

type Users = Partial<ServiceImpl<typeof User>>
type Clients = ReturnType<typeof appClients>

const confFile = new URL('../../configs/config.yaml', import.meta.url)

interface Hop {
  /** The handlers, which may call others by the clients that they get. */
  users: (clients: Clients) => Users
  /** Starts tracing into this exporter. */
  spans?: SpanExporter
  env?: Record<string, string>
  /** For clients of `discovery:///`. */
  discovery?: Discovery
}

/** Both ports of a service, with their telemetry and clients, and other handlers than the service's. */
export async function hop(t: Test, { users, spans, env = {}, discovery }: Hop) {
  const addresses = { HTTP_ADDR: '127.0.0.1:0', GRPC_ADDR: '127.0.0.1:0', METRICS_ADDR: '' }
  // Slow is no failure here.
  const defaults = { ...addresses, TIMEOUT: '60s' }
  const file = { text: readFileSync(confFile, 'utf8'), origin: 'configs/config.yaml' }
  const conf = loadConf(file, { ...defaults, ...env })
  const log = pino({ level: 'silent' })
  const identity = { service: 'front', version: 'test' }
  conf.tracing.exporter = 'console'
  const settings = spans && tracingSettings(conf.tracing, {})
  const otel = { OTEL_BSP_SCHEDULE_DELAY: '20' }
  const tracing =
    settings &&
    (await startTracing({ settings, identity, env: otel, log, ...(spans && { exporter: spans }) }))
  const metrics = await startMetrics({ conf, identity, env: {}, log })
  const watch = watchers({ log, tracing, metrics })
  const clients = appClients({ live: liveConf(conf), watch, service: identity.service, discovery })
  const ready = readiness({})
  const module = {
    services: [User],
    reasons: ErrorReason,
    routes: (router: Parameters<Parameters<typeof openPorts>[0]['modules'][number]['routes']>[0]) =>
      void router.service(User, users(clients)),
  }
  const incoming = clients.interceptor
  const ports = openPorts({
    conf,
    version: 'test',
    modules: [module],
    ready,
    watch,
    violations: messageRules(validator),
    incoming,
  })
  const { http, grpc } = await ports.listen()
  t.teardown(async () => {
    await ports.close(5000)
    await clients.close()
    await watch.stop(1000)
  })
  return {
    grpc: `127.0.0.1:${grpc.port}`,
    rest: `http://127.0.0.1:${http.port}`,
    metrics,
  }
}
