import { register } from 'node:module'
import {
  logs,
  type Context,
  context,
  propagation,
  SpanKind,
  trace as api,
} from '@opentelemetry/api'
import type { Instrumentation } from '@opentelemetry/instrumentation'
import type { LogRecordProcessor, ReadableLogRecord } from '@opentelemetry/sdk-logs'
import { NodeSDK } from '@opentelemetry/sdk-node'
import {
  RandomIdGenerator,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace'
import { attachment } from '../../../memory/attachment.ts'
import { scopedContextManager } from './context-manager.ts'
import { createExporter, createLogExporter } from './exporters.ts'
import { exportQueue, type ExportQueue } from './export-queue.ts'
import { logRecords } from '../../log/log-records.ts'
import { newTraceId } from '../ids.ts'
import { type Held, holding } from '../tail-sampling.ts'
import { heldKey, requestTracing } from '../request-tracing.ts'
import { serviceResource } from '../../resource.ts'
import { sampling } from '../sampling.ts'
import { requestScopes } from '../scope.ts'
import type { RunningTracing, StartOptions } from '../start.ts'

/** See `startTracing`, which alone loads this file. */
export async function startSdk({
  settings,
  identity,
  env,
  log,
  exporter,
}: StartOptions): Promise<RunningTracing> {
  const scopes = requestScopes()
  const watch = (what: string) => ({
    failing: (reason: string) =>
      log.warn({ reason }, `${what} cannot be exported; they are dropped until they can`),
    resumed: (dropped: number) => log.info({ dropped }, `${what} are exported again`),
    detached: <T>(work: () => T) => scopes.exit(work),
  })
  const spanExporter = exporter ?? (await createExporter(settings, env))
  const queue = exportQueue<ReadableSpan>(spanExporter, settings.batch, watch('spans'))
  const logQueue =
    settings.logs &&
    exportQueue<ReadableLogRecord>(
      await createLogExporter(settings, env),
      settings.batch,
      watch('log lines'),
    )
  const held = holding(settings.keep.maxSpans, queue.add)
  const ids = idGenerator()
  const sdk = new NodeSDK({
    resource: serviceResource({ ...identity, environment: settings.environment }, env),
    contextManager: scopedContextManager(scopes),
    sampler: withParentOnly,
    idGenerator: ids,
    spanProcessors: [processor(queue)],
    // Without these the SDK would start exporters of its own.
    metricReaders: [],
    logRecordProcessors: logQueue ? [logProcessor(logQueue)] : [],
    instrumentations: await instrumentations(settings.instrumentations),
  })
  sdk.start()
  for (const note of settings.notes) log.info(note)
  const { priority, keep, personalData, responseHeader } = settings
  const tracing = requestTracing({
    scopes,
    tracer: api.getTracer(identity.service, identity.version),
    personalData,
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
    counts: () => ({
      exported: queue.exported,
      dropped: { ...queue.dropped, keep: held.forgotten },
      waiting: queue.waiting + held.waiting,
      logs: {
        exported: logQueue ? logQueue.exported : 0,
        dropped: logQueue ? total(logQueue.dropped) : 0,
      },
    }),
    ...(logQueue && { logLine: logRecords(logs.getLogger(identity.service)) }),
    async stop(timeoutMs) {
      await Promise.all([queue.stop(timeoutMs), logQueue && logQueue.stop(timeoutMs)])
      const { dropped } = queue
      if (dropped.queue + dropped.export > 0) log.warn({ dropped }, 'spans were dropped')
      // What still hangs on the collector is not waited for.
      for (const ending of [sdk.shutdown(), spanExporter.shutdown()])
        void ending.catch(() => undefined)
      for (const global of [api, context, propagation, logs]) global.disable()
    },
  }
}

function total(dropped: { queue: number; export: number }): number {
  return dropped.queue + dropped.export
}

function logProcessor(queue: ExportQueue<ReadableLogRecord>): LogRecordProcessor {
  return {
    onEmit: queue.add,
    forceFlush: queue.flush,
    shutdown: () => Promise.resolve(),
  }
}

/** Spans to the queue, but those of a request that is held back to whoever holds it. */
function processor(queue: Pick<ExportQueue<ReadableSpan>, 'add' | 'flush'>): SpanProcessor {
  const heldBy = attachment<ReadableSpan, Held>('held')
  return {
    onStart(span, parent: Context) {
      const held = parent.getValue(heldKey) as Held | undefined
      if (held) heldBy.attach(span, held)
    },
    onEnd(span) {
      const held = heldBy.of(span)
      if (held) held.add(span)
      else queue.add(span)
    },
    forceFlush: queue.flush,
    shutdown: async () => undefined,
  }
}

/**
 * The decision has been made before a server span is begun, so it is recorded; what others begin is
 * recorded below a span of ours only.
 */
const withParentOnly: Sampler = {
  shouldSample(parent, _traceId, _name, kind) {
    const recorded = kind === SpanKind.SERVER || api.getSpan(parent)?.isRecording() === true
    const traceState = api.getSpanContext(parent)?.traceState
    return {
      decision: recorded ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD,
      ...(traceState && { traceState }),
    }
  },
  toString: () => 'withParentOnly',
}

/** Random ids, but a trace that has told its id already keeps it. */
function idGenerator() {
  const random = new RandomIdGenerator()
  let told = ''
  return {
    next(id: string) {
      told = id
    },
    generateTraceId() {
      const id = told || newTraceId()
      told = ''
      return id
    },
    generateSpanId: () => random.generateSpanId(),
  }
}

/** The loader hook, and what it costs, only where an instrumentation is asked for. */
async function instrumentations(names: readonly string[]): Promise<Instrumentation[]> {
  if (!names.includes('fastify')) return []
  register('@opentelemetry/instrumentation/hook.mjs', import.meta.url)
  const { FastifyInstrumentation } = await import('@opentelemetry/instrumentation-fastify')
  return [new FastifyInstrumentation()]
}
