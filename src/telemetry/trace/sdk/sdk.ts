import { register } from 'node:module'
import { logs, context, propagation, trace as api } from '@opentelemetry/api'
import type { Instrumentation } from '@opentelemetry/instrumentation'
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs'
import { NodeSDK } from '@opentelemetry/sdk-node'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'
import { logRecords } from '../../log/log-records.ts'
import { readAnswers, withPartialSuccess } from '../../otlp/partial-success.ts'
import { withAdvice } from '../../otlp/reason.ts'
import type { OtlpTarget } from '../../otlp/target.ts'
import { serviceResource } from '../../resource.ts'
import { requestTracing } from '../request-tracing.ts'
import { sampling } from '../sampling.ts'
import { requestScopes, type Scopes } from '../scope.ts'
import { holding } from '../tail-sampling.ts'
import type { RunningTracing, SpanCounts, StartOptions } from '../tracing.ts'
import { scopedContextManager } from './context-manager.ts'
import { type ExportEvents, exportQueue, type ExportQueue } from './export-queue.ts'
import { createExporter, createLogExporter } from './exporters.ts'
import { logProcessor, spanProcessor } from './processors.ts'
import { idGenerator, withParentOnly } from './recording.ts'

/** See `startTracing`, which alone loads this file. */
export async function startSdk(options: StartOptions): Promise<RunningTracing> {
  const { settings, identity, env, log } = options
  const scopes = requestScopes()
  const queues = await exportQueues(options, scopes)
  const held = holding(settings.keep.maxSpans, queues.spans.add)
  const ids = idGenerator()
  const sdk = new NodeSDK({
    resource: serviceResource({ ...identity, environment: settings.environment }, env),
    contextManager: scopedContextManager(scopes),
    sampler: withParentOnly,
    idGenerator: ids,
    spanProcessors: [spanProcessor(queues.spans)],
    // Without these the SDK would start exporters of its own.
    metricReaders: [],
    logRecordProcessors: queues.lines ? [logProcessor(queues.lines)] : [],
    instrumentations: await instrumentations(settings.instrumentations),
  })
  sdk.start()
  readAnswers(env)
  for (const note of settings.notes) log.warn(note)
  const { priority, keep, personalData, clientErrors, responseHeader } = settings
  const tracing = requestTracing({
    scopes,
    tracer: api.getTracer(identity.service, identity.version),
    personalData,
    clientErrors,
    service: identity.service,
    sampling: sampling(settings.sampling),
    priority,
    keep,
    hold: held.hold,
    nextTraceId: (id) => ids.next(id),
    responseHeader,
    early: settings.instrumentations.length > 0,
  })
  return {
    ...tracing,
    counts: () => countsOf(queues, held),
    ...(queues.lines && { logLine: logRecords(logs.getLogger(identity.service)) }),
    stop: (timeoutMs) => stop(queues, sdk, log, timeoutMs),
  }
}

interface Queues {
  spans: ExportQueue<ReadableSpan>
  exporter: SpanExporter
  /** Log lines; undefined where they do not go to the collector. */
  lines: ExportQueue<ReadableLogRecord> | undefined
}

async function exportQueues(
  { settings, log, exporter: given }: StartOptions,
  scopes: Scopes,
): Promise<Queues> {
  const events = (what: string, target?: OtlpTarget): ExportEvents => ({
    failing(cause) {
      const reason = target ? withAdvice(cause, target.protocol, 'tracing.exporter') : cause
      log.warn({ reason }, `${what} cannot be exported; they are dropped until they can`)
    },
    resumed: (dropped) => log.info({ dropped }, `${what} are exported again`),
    detached: (work) => scopes.exit(work),
  })
  const exporter = given ?? (await createExporter(settings))
  const { batch, spans, lines } = settings
  const lineExporter = lines && (await createLogExporter(lines))
  const spanEvents = events('spans', settings.exporter === 'otlp' ? spans : undefined)
  return {
    exporter,
    spans: exportQueue<ReadableSpan>(withPartialSuccess(exporter), batch, spanEvents),
    lines:
      lineExporter &&
      exportQueue(withPartialSuccess(lineExporter), batch, events('log lines', lines)),
  }
}

function countsOf({ spans, lines }: Queues, held: ReturnType<typeof holding>): SpanCounts {
  const { exported, dropped, waiting } = spans.counts()
  const logs = lines?.counts()
  return {
    exported,
    dropped: { ...dropped, keep: held.forgotten },
    waiting: waiting + held.waiting,
    logs: { exported: logs?.exported ?? 0, dropped: logs ? total(logs.dropped) : 0 },
  }
}

async function stop(
  { spans, lines, exporter }: Queues,
  sdk: NodeSDK,
  log: Logger,
  timeoutMs: number,
): Promise<void> {
  await Promise.all([spans.stop(timeoutMs), lines?.stop(timeoutMs)])
  const { dropped } = spans.counts()
  if (total(dropped) > 0) log.warn({ dropped }, 'spans were dropped')
  // Requests that still hang on the collector are not waited for.
  for (const ending of [sdk.shutdown(), exporter.shutdown()]) void ending.catch(() => undefined)
  for (const global of [api, context, propagation, logs]) global.disable()
}

function total(dropped: { queue: number; export: number }): number {
  return dropped.queue + dropped.export
}

/** Loads what is asked for. The loader hook costs time at start, so it is registered only then. */
async function instrumentations(names: readonly string[]): Promise<Instrumentation[]> {
  if (!names.includes('fastify')) return []
  register('@opentelemetry/instrumentation/hook.mjs', import.meta.url)
  const { FastifyInstrumentation } = await import('@opentelemetry/instrumentation-fastify')
  return [new FastifyInstrumentation()]
}
