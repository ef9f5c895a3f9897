import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import type { Ended, RecordedSpan } from '../span/recorded-span.ts'
import type { StartOptions } from '../tracing.ts'
import { type BatchSettings, batchQueue, type ExportEvents, exportQueue } from './export-queue.ts'
import { sdkExporter } from './exporters.ts'

/** The queue of spans, with how it ends. */
export interface SpanQueue extends Pick<ReturnType<typeof exportQueue>, 'counts' | 'stop'> {
  add: (span: Ended) => void
  shutdown: () => Promise<void>
  /** Whether recorded spans are written as they are; else each becomes a span of the SDK. */
  writes: boolean
}

interface SpanQueueOptions {
  options: StartOptions
  resource: Resource
  events: ExportEvents
  /** Makes a recorded span one of the SDK, and adds that. */
  convert: (span: RecordedSpan) => void
}

/** Makes the queue before the exporter of the settings, or before the one that is given instead. */
export async function spanQueue({
  options,
  resource,
  events,
  convert,
}: SpanQueueOptions): Promise<SpanQueue> {
  const { settings, identity, exporter: given } = options
  const { exporter, batch, spans: target, zipkin } = settings
  if (given) return sdkQueue(given, batch, events)
  if (exporter !== 'otlp') return sdkQueue(await sdkExporter(exporter, zipkin), batch, events)
  const { otlpBacklog, otlpExporter } = await import('./otlp-spans.ts')
  const scope = { name: identity.service, version: identity.version }
  const sender = await otlpExporter(target, resource, scope)
  const queue = batchQueue(sender, batch, events, otlpBacklog(batch.maxSize, convert))
  return { ...queue, shutdown: () => sender.shutdown(), writes: true }
}

type SdkExporter = NonNullable<StartOptions['exporter']>

function sdkQueue(exporter: SdkExporter, batch: BatchSettings, events: ExportEvents): SpanQueue {
  const queue = exportQueue<ReadableSpan>(exporter, batch, events)
  return {
    ...queue,
    // Nothing else comes here than spans of the SDK.
    add: (span) => queue.add(span as ReadableSpan),
    shutdown: () => exporter.shutdown(),
    writes: false,
  }
}
