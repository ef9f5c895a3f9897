import { logs, context, propagation, trace as api } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { Logger } from 'pino'
import { readAnswers } from '../../otlp/partial-success.ts'
import { withAdvice } from '../../otlp/reason.ts'
import type { OtlpTarget } from '../../otlp/target.ts'
import { serviceResource } from '../../resource.ts'
import type { Ended, Held, RecordedSpan } from '../span/recorded-span.ts'
import { requestTracing } from '../request-tracing.ts'
import { changeableSampling } from '../sampling.ts'
import { tracingSettings } from '../settings.ts'
import { requestScopes, type Scopes } from '../scope.ts'
import { holding } from '../tail-sampling.ts'
import type { RunningTracing, SpanCounts, StartOptions } from '../tracing.ts'
import { scopedContextManager } from './context-manager.ts'
import { detectedResource, propagatorOf, spanLimits, useLogLevel } from './environment.ts'
import type { ExportEvents } from './export-queue.ts'
import { spanProcessor } from './processors.ts'
import { sdkSpans } from './sdk-spans.ts'
import { type SpanQueue, spanQueue } from './span-queue.ts'

/** See `startTracing`, which alone loads this file. */
export async function startSdk(options: StartOptions): Promise<RunningTracing> {
  const { settings, identity, env, log } = options
  const scopes = requestScopes()
  useLogLevel(env)
  readAnswers(env)
  const own = serviceResource({ ...identity, environment: settings.environment }, env)
  const resource = await detectedResource(own, env)
  const { recorder, queue, held, spans } = await recording(options, scopes, resource)
  context.setGlobalContextManager(scopedContextManager(scopes, spans))
  api.setGlobalTracerProvider(spans.provider)
  const propagator = await propagatorOf(env)
  if (propagator) propagation.setGlobalPropagator(propagator)
  const { instrumentations, lines, batch } = settings
  if (instrumentations.length > 0)
    await import('./instrumentations.ts').then(({ instrument }) => instrument(instrumentations))
  const lineEvents = exportEvents('log lines', { log, scopes, target: lines })
  const logging =
    lines &&
    (await import('./log-export.ts').then(({ exportLines }) =>
      exportLines({ target: lines, batch, events: lineEvents, resource, identity, env }),
    ))
  for (const note of settings.notes) log.warn(note)
  const { priority, keep, personalData, clientErrors, flat, responseHeader } = settings
  const sampling = changeableSampling(settings.sampling)
  const tracing = requestTracing({
    ...recorder,
    scopes,
    personalData,
    clientErrors,
    flat,
    service: identity.service,
    sampling: sampling.decide,
    priority,
    keep,
    hold: held.hold,
    responseHeader,
    early: instrumentations.length > 0,
  })
  return {
    ...tracing,
    counts: () => countsOf(queue, held, logging?.queue.counts()),
    ...(logging && { logLine: logging.logLine }),
    sample(conf) {
      const next = tracingSettings(conf, env)
      if (!next) return
      sampling.replace(next.sampling)
      keep.errors = next.keep.errors
      keep.slowerThanMs = next.keep.slowerThanMs
    },
    async stop(timeoutMs) {
      await Promise.all([queue.stop(timeoutMs), logging?.queue.stop(timeoutMs)])
      const { dropped } = queue.counts()
      if (total(dropped) > 0) log.warn({ dropped }, 'spans were dropped')
      // Requests that still hang on the collector are not waited for.
      for (const ending of [spans.provider.shutdown(), queue.shutdown(), logging?.shutdown()])
        void ending?.catch(() => undefined)
      for (const global of [api, context, propagation, logs]) global.disable()
    },
  }
}

/** The recorder, and where its spans go. */
async function recording(options: StartOptions, scopes: Scopes, resource: Resource) {
  const { settings, identity, env, log } = options
  const limits = spanLimits(env)
  const target = settings.exporter === 'otlp' ? settings.spans : undefined
  const convert = (span: RecordedSpan): void => spans.end(span)
  const events = exportEvents('spans', { log, scopes, target })
  const queue = await spanQueue({ options, resource, events, convert })
  // The SDK alone knows limits, and the exporters that are not OTLP's take its spans only.
  const written = queue.writes && Object.keys(limits).length === 0

  function give(span: Ended, held: Held | undefined): void {
    if (held) held.add(span)
    else queue.add(span)
  }

  function endSpan(span: RecordedSpan, endMs: number): void {
    if (span.ended) return
    span.ended = true
    span.endMs = Math.max(endMs, span.startMs)
    if (written && span.sdk === undefined) give(span, span.trace.held)
    else spans.end(span)
  }

  const spans = sdkSpans({ identity, resource, limits, processor: spanProcessor(give) })
  const held = holding(settings.keep.maxSpans, queue.add)
  return { recorder: { endSpan, sdkSpan: spans.of }, queue, held, spans }
}

function exportEvents(
  what: string,
  { log, scopes, target }: { log: Logger; scopes: Scopes; target: OtlpTarget | undefined },
): ExportEvents {
  return {
    failing(cause) {
      const reason = target ? withAdvice(cause, target.protocol, 'tracing.exporter') : cause
      log.warn({ reason }, `${what} cannot be exported; they are dropped until they can`)
    },
    resumed: (dropped) => log.info({ dropped }, `${what} are exported again`),
    detached: (work) => scopes.exit(work),
  }
}

function countsOf(
  spans: SpanQueue,
  held: ReturnType<typeof holding>,
  lines: ReturnType<SpanQueue['counts']> | undefined,
): SpanCounts {
  const { exported, dropped, waiting } = spans.counts()
  return {
    exported,
    dropped: { ...dropped, keep: held.forgotten },
    waiting: waiting + held.waiting,
    logs: { exported: lines?.exported ?? 0, dropped: lines ? total(lines.dropped) : 0 },
  }
}

function total(dropped: { queue: number; export: number }): number {
  return dropped.queue + dropped.export
}
