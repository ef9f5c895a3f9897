import type { LogRecordExporter } from '@opentelemetry/sdk-logs'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import { grpcOptions, httpOptions } from '../../otlp/options.ts'
import type { OtlpTarget } from '../../otlp/target.ts'
import type { TracingSettings } from '../settings.ts'

/** Makes the exporter of the settings, and loads no other. Throws where a PEM file is missing. */
export function createExporter(settings: TracingSettings): Promise<SpanExporter> {
  switch (settings.exporter) {
    case 'otlp':
      return otlp(settings.spans)
    case 'zipkin':
      return zipkin(settings.zipkin)
    case 'console':
      return import('@opentelemetry/sdk-trace').then(
        ({ ConsoleSpanExporter }) => new ConsoleSpanExporter(),
      )
  }
}

/** The same for log records. */
export async function createLogExporter(target: OtlpTarget): Promise<LogRecordExporter> {
  if (target.protocol === 'grpc') {
    const { OTLPLogExporter } = await import('@opentelemetry/exporter-logs-otlp-grpc')
    return new OTLPLogExporter(await grpcOptions(target))
  }
  const { OTLPLogExporter } = await import('@opentelemetry/exporter-logs-otlp-proto')
  return new OTLPLogExporter(httpOptions(target))
}

async function otlp(target: OtlpTarget): Promise<SpanExporter> {
  if (target.protocol === 'grpc') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc')
    return new OTLPTraceExporter(await grpcOptions(target))
  }
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto')
  return new OTLPTraceExporter(httpOptions(target))
}

async function zipkin({ url: given, headers }: TracingSettings['zipkin']): Promise<SpanExporter> {
  const { ZipkinExporter } = await import('@opentelemetry/exporter-zipkin')
  const url = given === undefined ? undefined : new URL(given)
  if (url?.pathname === '/') url.pathname = '/api/v2/spans'
  return new ZipkinExporter({ headers, ...(url && { url: url.href }) })
}
