import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { TracingSettings } from '../settings.ts'

/** Makes the exporter of the settings that is not OTLP's, and loads no other. */
export async function sdkExporter(
  exporter: 'zipkin' | 'console',
  { url: given, headers }: TracingSettings['zipkin'],
): Promise<SpanExporter> {
  if (exporter === 'console') {
    const { ConsoleSpanExporter } = await import('@opentelemetry/sdk-trace')
    return new ConsoleSpanExporter()
  }
  const { ZipkinExporter } = await import('@opentelemetry/exporter-zipkin')
  const url = given === undefined ? undefined : new URL(given)
  if (url?.pathname === '/') url.pathname = '/api/v2/spans'
  return new ZipkinExporter({ headers, ...(url && { url: url.href }) })
}
