import { logs } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import {
  LoggerProvider,
  type LogRecordExporter,
  type ReadableLogRecord,
} from '@opentelemetry/sdk-logs'
import type { Env } from '../../../conf/placeholder.ts'
import { logRecords } from '../../log/log-records.ts'
import { grpcOptions, httpOptions } from '../../otlp/options.ts'
import type { OtlpTarget } from '../../otlp/target.ts'
import type { Identity } from '../../resource.ts'
import { logLimits } from './environment.ts'
import { type BatchSettings, type ExportEvents, exportQueue } from './export-queue.ts'

/** The parts of the export of log lines. */
export interface LineOptions {
  target: OtlpTarget
  batch: BatchSettings
  events: ExportEvents
  resource: Resource
  identity: Pick<Identity, 'service'>
  env: Env
}

/** Exports log lines as log records. `logLine` takes each, in JSON. */
export async function exportLines({ target, resource, identity, env, ...how }: LineOptions) {
  const queue = exportQueue<ReadableLogRecord>(await lineExporter(target), how.batch, how.events)
  const provider = new LoggerProvider({
    resource,
    logRecordLimits: logLimits(env),
    processors: [{ onEmit: queue.add, forceFlush: queue.flush, shutdown: () => Promise.resolve() }],
  })
  logs.setGlobalLoggerProvider(provider)
  return {
    queue,
    logLine: logRecords(provider.getLogger(identity.service)),
    shutdown: () => provider.shutdown(),
  }
}

/** Throws where a PEM file is missing. */
async function lineExporter(target: OtlpTarget): Promise<LogRecordExporter> {
  if (target.protocol === 'grpc') {
    const { OTLPLogExporter } = await import('@opentelemetry/exporter-logs-otlp-grpc')
    return new OTLPLogExporter(await grpcOptions(target))
  }
  const { OTLPLogExporter } = await import('@opentelemetry/exporter-logs-otlp-proto')
  return new OTLPLogExporter(httpOptions(target))
}
