import { createRequire } from 'node:module'
import {
  type MetricProducer,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics'
import type { Env } from '../../conf/placeholder.ts'

// The exporters are loaded on demand: each costs time and memory, and most processes push nothing.
const require = createRequire(import.meta.url)

interface PushOptions {
  /** Base URL of the collector; empty: nothing is pushed, unless the environment names one. */
  endpoint: string
  protocol: string
  headers: Record<string, string>
  intervalMs: number
  timeoutMs: number
}

/**
 * A reader that pushes all metrics over OTLP; undefined where no endpoint is named. The variables of
 * OpenTelemetry's specification (OTEL_EXPORTER_OTLP_*, OTEL_METRIC_EXPORT_*, OTEL_METRICS_EXPORTER,
 * OTEL_SDK_DISABLED) win over the options.
 */
export function pushReader(options: PushOptions, env: Env) {
  const inEnv = env['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT']
  const exporters = (env['OTEL_METRICS_EXPORTER'] || 'otlp').split(',')
  const disabled = env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true'
  if (disabled || !exporters.includes('otlp') || (!inEnv && options.endpoint === ''))
    return undefined
  const intervalMs = milliseconds(env['OTEL_METRIC_EXPORT_INTERVAL']) ?? options.intervalMs
  const timeoutMs = milliseconds(env['OTEL_METRIC_EXPORT_TIMEOUT']) ?? options.timeoutMs
  const protocol =
    env['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL'] ||
    env['OTEL_EXPORTER_OTLP_PROTOCOL'] ||
    options.protocol
  return (producer: MetricProducer) =>
    new PeriodicExportingMetricReader({
      exporter: exporterOf(protocol, inEnv ? { ...options, endpoint: '' } : options),
      exportIntervalMillis: intervalMs,
      exportTimeoutMillis: Math.min(timeoutMs, intervalMs),
      metricProducers: [producer],
    })
}

function milliseconds(text: string | undefined): number | undefined {
  return text && /^[1-9]\d*$/.test(text) ? Number(text) : undefined
}

/** Options that are left out here are read from the environment by the exporters. */
function exporterOf(
  protocol: string,
  { endpoint, headers, timeoutMs }: PushOptions,
): PushMetricExporter {
  if (protocol === 'grpc') {
    const grpc: typeof import('@opentelemetry/exporter-metrics-otlp-grpc') = require('@opentelemetry/exporter-metrics-otlp-grpc')
    const { Metadata }: typeof import('@grpc/grpc-js') = require('@grpc/grpc-js')
    const metadata = new Metadata()
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
    const target = endpoint === '' ? {} : { url: endpoint }
    return new grpc.OTLPMetricExporter({ ...target, metadata, timeoutMillis: timeoutMs })
  }
  if (protocol !== 'http/protobuf')
    throw new Error(`the OTLP protocol ${protocol} is not known; grpc and http/protobuf are`)
  const http: typeof import('@opentelemetry/exporter-metrics-otlp-proto') = require('@opentelemetry/exporter-metrics-otlp-proto')
  const target = endpoint === '' ? {} : { url: `${endpoint.replace(/\/$/, '')}/v1/metrics` }
  return new http.OTLPMetricExporter({ ...target, headers, timeoutMillis: timeoutMs })
}
