import { register } from 'node:module'
import { type Context, context, propagation, SpanKind, trace as api } from '@opentelemetry/api'
import type { Instrumentation } from '@opentelemetry/instrumentation'
import { NodeSDK } from '@opentelemetry/sdk-node'
import {
  RandomIdGenerator,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace'
import { scopedContextManager } from './context-manager.ts'
import { createExporter } from './exporters.ts'
import { exportQueue } from './export-queue.ts'
import { newTraceId } from './ids.ts'
import { type Held, holding } from './keep.ts'
import { heldKey, requestTracing } from './request-tracing.ts'
import { serviceResource } from './resource.ts'
import { sampling } from './sampling.ts'
import { requestScopes } from './scope.ts'
import type { RunningTracing, StartOptions } from './start.ts'

/** See `startTracing`, which alone loads this file. */
export async function startSdk({
  settings,
  identity,
  env,
  log,
  exporter,
}: StartOptions): Promise<RunningTracing> {
  const scopes = requestScopes()
  const queue = exportQueue(exporter ?? (await createExporter(settings, env)), settings.batch, {
    failing: (reason) =>
      log.warn({ reason }, 'spans cannot be exported; they are dropped until they can'),
    detached: (work) => scopes.exit(work),
    resumed: (dropped) => log.info({ dropped }, 'spans are exported again'),
  })
  const held = holding(settings.keep.maxSpans, queue.add)
  const ids = idGenerator()
  const sdk = new NodeSDK({
    resource: serviceResource({ ...identity, environment: settings.environment }, env),
    contextManager: scopedContextManager(scopes),
    sampler: withParentOnly,
    idGenerator: ids,
    spanProcessors: [processor(queue)],
    // Others are to come; without these the SDK would start exporters of its own.
    metricReaders: [],
    logRecordProcessors: [],
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
  })
  return {
    ...tracing,
    counts: () => ({
      exported: queue.exported,
      dropped: { ...queue.dropped, keep: held.forgotten },
      waiting: queue.waiting + held.waiting,
    }),
    async stop(timeoutMs) {
      await queue.stop(timeoutMs)
      const { dropped } = queue
      if (dropped.queue + dropped.export > 0) log.warn({ dropped }, 'spans were dropped')
      // What still hangs on the collector is not waited for.
      void sdk.shutdown().catch(() => undefined)
      for (const global of [api, context, propagation]) global.disable()
    },
  }
}

/** Spans to the queue, but those of a request that is held back to whoever holds it. */
function processor(queue: ReturnType<typeof exportQueue>): SpanProcessor {
  const heldBy = new WeakMap<ReadableSpan, Held>()
  return {
    onStart(span, parent: Context) {
      const held = parent.getValue(heldKey) as Held | undefined
      if (held) heldBy.set(span, held)
    },
    onEnd(span) {
      const held = heldBy.get(span)
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
