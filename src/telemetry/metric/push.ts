import {
  type MetricProducer,
  type MetricReader,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics'
import type { Env } from '../../conf/placeholder.ts'
import { grpcOptions, httpOptions } from '../otlp/options.ts'
import { readAnswers, withPartialSuccess } from '../otlp/partial-success.ts'
import { reasonOf, withAdvice } from '../otlp/reason.ts'
import { type OtlpSettings, otlpTarget, type OtlpTarget } from '../otlp/target.ts'

/** Where metrics are pushed to, and how often. */
export interface PushOptions extends OtlpSettings {
  intervalMs: number
}

/** Events of the push, for the log. */
interface PushEvents {
  /** About a setting, at the start. */
  note: (text: string) => void
  /** A push has failed, and it is the first, or the one before it had succeeded. */
  failing: (reason: string) => void
  /** The pushes succeed again. */
  resumed: () => void
}

/**
 * A reader that pushes all metrics over OTLP; undefined where no endpoint is named. The variables of
 * OpenTelemetry's specification (OTEL_EXPORTER_OTLP_*, OTEL_METRIC_EXPORT_*, OTEL_METRICS_EXPORTER,
 * OTEL_SDK_DISABLED) win over the options.
 */
export async function pushReader(
  options: PushOptions,
  env: Env,
  producer: MetricProducer,
  events: PushEvents,
): Promise<MetricReader | undefined> {
  const exporters = (env['OTEL_METRICS_EXPORTER'] || 'otlp').split(',').map((name) => name.trim())
  const disabled = env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true'
  const target = otlpTarget('metrics', options, env)
  if (disabled || !exporters.includes('otlp') || target.url === undefined) return undefined
  target.notes.forEach(events.note)
  readAnswers(env)
  const intervalMs = milliseconds(env, 'OTEL_METRIC_EXPORT_INTERVAL', events) ?? options.intervalMs
  const given = milliseconds(env, 'OTEL_METRIC_EXPORT_TIMEOUT', events) ?? target.timeoutMs
  // A push, with what is tried again of it, ends before the next begins.
  const timeoutMs = Math.min(given, intervalMs)
  return new PeriodicExportingMetricReader({
    exporter: telling(await exporterOf({ ...target, timeoutMs }), target, events),
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: timeoutMs,
    metricProducers: [producer],
  })
}

function milliseconds(env: Env, name: string, { note }: Pick<PushEvents, 'note'>) {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  if (/^[1-9]\d*$/.test(text)) return Number(text)
  note(`${name}=${text} is no whole number of milliseconds above 0, and is not used`)
  return undefined
}

/** Loads one exporter on demand: each costs time and memory, and most processes push nothing. */
async function exporterOf(target: OtlpTarget): Promise<PushMetricExporter> {
  if (target.protocol === 'grpc') {
    const { OTLPMetricExporter } = await import('@opentelemetry/exporter-metrics-otlp-grpc')
    return new OTLPMetricExporter(await grpcOptions(target))
  }
  const { OTLPMetricExporter } = await import('@opentelemetry/exporter-metrics-otlp-proto')
  return new OTLPMetricExporter(httpOptions(target))
}

/** The exporter, with a word when its exports begin to fail and when they work again. */
function telling(
  exporter: PushMetricExporter,
  { protocol }: OtlpTarget,
  { failing, resumed }: Pick<PushEvents, 'failing' | 'resumed'>,
): PushMetricExporter {
  let failed = false
  function note(error: Error | undefined, code: number): void {
    const problem = error !== undefined || code !== 0
    if (problem === failed) return
    failed = problem
    if (failed) failing(withAdvice(reasonOf(error), protocol, 'metrics.push.protocol'))
    else resumed()
  }
  const heard = withPartialSuccess(exporter)
  return {
    export: (metrics, done) =>
      heard.export(metrics, (result) => {
        note(result.error, result.code)
        done(result)
      }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  }
}
