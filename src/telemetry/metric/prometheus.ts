import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import {
  DataPointType,
  type MetricData,
  type MetricProducer,
  type MetricReader,
} from '@opentelemetry/sdk-metrics'

/** https://prometheus.io/docs/instrumenting/exposition_formats: the text format. */
export const textFormat = 'text/plain; version=0.0.4; charset=utf-8'

// Suffixes for units by OpenTelemetry's rules for Prometheus; units in braces have none.
const wordOfUnit: Record<string, string> = { s: 'seconds', By: 'bytes' }

// A gauge whose name ends as the sample of a histogram does; promtool refuses it.
const renamed: Record<string, string> = { 'db.client.connection.count': 'db.client.connections' }

/**
 * The name under which Prometheus gets a metric: with its unit as a suffix, which the serializer does
 * not add though the specification asks for it, and without a second one where there is one already.
 * (opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics)
 */
export function prometheusName({ descriptor, dataPointType }: MetricData): string {
  const { unit } = descriptor
  const name = renamed[descriptor.name] ?? descriptor.name
  const gauge = dataPointType === DataPointType.GAUGE
  const word = unit === '1' && gauge && !name.endsWith('info') ? 'ratio' : wordOfUnit[unit]
  const bare = name.replace(/_total$/, '')
  if (word === undefined || bare.endsWith(word)) return name
  return `${bare}.${word}`
}

/** A reader for Prometheus, and the text of what it reads. */
export function prometheusReader(producer: MetricProducer) {
  const reader: MetricReader = new PrometheusExporter({
    // metricsServer serves the text, with limits and a health check.
    preventServerStart: true,
    metricProducers: [producer],
  })
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true)

  /** Reads all metrics. Fails with an AggregateError where an instrument could not be read. */
  async function text(): Promise<string> {
    const { resourceMetrics, errors } = await reader.collect()
    if (errors.length > 0) throw new AggregateError(errors, 'some metrics could not be read')
    const scopeMetrics = resourceMetrics.scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics.map(named),
    }))
    return `${serializer.serialize({ ...resourceMetrics, scopeMetrics })}\n`
  }
  return { reader, text }
}

function named(metric: MetricData): MetricData {
  return { ...metric, descriptor: { ...metric.descriptor, name: prometheusName(metric), unit: '' } }
}
