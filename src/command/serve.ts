import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'
import type { App } from '../app.ts'
import { serviceName } from '../app/service-name.ts'
import { usesStorage } from '../app/storage/storage.ts'
import type { OpenedConfig } from '../app/config/open.ts'
import type { Conf } from '../conf/conf.ts'
import type { LogContext } from '../telemetry/log/log.ts'
import { unknownNames } from '../telemetry/unknown-names.ts'
import { tracingSettings } from '../telemetry/trace/settings.ts'
import { startTracing } from '../telemetry/trace/start.ts'
import type { RunningTracing } from '../telemetry/trace/tracing.ts'

export interface RunOptions {
  version: string
  /** For the standard OTEL_* variables. */
  env: Record<string, string | undefined>
  /** Makes the log. The fields of every line are known later, when traces have started. */
  log: (context: LogContext) => Logger | Promise<Logger>
  /** Told before anything is opened, so that a signal can stop what has not started yet. */
  created?: (service: Pick<App, 'stop' | 'readSettings'> & { log: Logger }) => void
  /** Told when the database rejects a migration, perhaps much later: this process can never serve. */
  rejected: (err: Error) => void
  /** Takes the spans in place of the exporter that is configured; for tests. */
  exporter?: SpanExporter | undefined
  /** The sources of the configuration; left out: it does not change. */
  opened?: OpenedConfig
  now?: (() => Date) | undefined
}

/**
 * Runs the service: log, traces and metrics first, then the application. The application is loaded
 * after the traces have started, so that an instrumentation sees it being loaded.
 */
export async function run(conf: Conf, { version, env, rejected, now, ...options }: RunOptions) {
  const identity = { service: serviceName, version }
  const { log, tracing } = await traced(conf, { version, env, ...options })
  const { startMetrics } = await import('../telemetry/metric/start.ts')
  const metrics = await startMetrics({ conf, identity, env, log })
  const { createApp } = await import('../app.ts')
  const { opened } = options
  const app = await createApp({ conf, opened, log, tracing, metrics, version, now })
  options.created?.({ stop: app.stop, readSettings: app.readSettings, log })
  const { http, grpc } = await app.start(rejected)
  log.info(
    {
      node: process.version,
      http: hostPort(http),
      grpc: hostPort(grpc),
      ...(metrics.address && { metrics: hostPort(metrics.address) }),
      storage: app.db.description,
      ready: app.readiness.ready(),
    },
    serving(conf, app),
  )
  return { app, log, tracing, http, grpc, metrics: metrics.address }
}

/** The log and the traces: each is told what the other does. */
async function traced(
  conf: Conf,
  { version, env, log: createLog, exporter }: Omit<RunOptions, 'created' | 'rejected' | 'now'>,
) {
  const settings = tracingSettings(conf.tracing, env, conf.log)
  let tracing: RunningTracing | undefined
  const log = await createLog({
    version,
    ...(settings && { fields: () => tracing?.logFields() ?? {} }),
    ...(settings?.lines && { also: (line) => tracing?.logLine?.(line) }),
  })
  for (const note of unknownNames(env)) log.warn(note)
  const identity = { service: serviceName, version }
  if (settings)
    tracing = await startTracing({ settings, identity, env, log, ...(exporter && { exporter }) })
  return { log, tracing }
}

function serving({ data, services }: Conf, { db, readiness }: App): string {
  const problems = Object.entries(readiness.checks()).filter(([, problem]) => problem !== '')
  if (problems.length > 0)
    return `serving, not ready: ${problems.map((check) => check.join(': ')).join(', ')}`
  return data.database.source === '' && usesStorage(services)
    ? `serving; no database is configured (DB_DSN), so users are kept in the embedded ${db.description}`
    : 'serving'
}

function hostPort({ address, port }: { address: string; port: number }): string {
  return `${address}:${port}`
}
