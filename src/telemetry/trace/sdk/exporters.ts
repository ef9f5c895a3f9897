import { readFileSync } from 'node:fs'
import type { LogRecordExporter } from '@opentelemetry/sdk-logs'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { Env } from '../../../conf/placeholder.ts'
import type { TracingSettings } from '../settings.ts'

/** Makes the exporter of the settings, and loads no other. Throws where a PEM file is missing. */
export function createExporter(settings: TracingSettings, env: Env): Promise<SpanExporter> {
  switch (settings.exporter) {
    case 'otlp_grpc':
      return otlpGrpc(settings, env)
    case 'otlp_http':
      return otlpHttp(settings, env)
    case 'zipkin':
      return zipkin(settings, env)
    case 'console':
      return import('@opentelemetry/sdk-trace').then(
        ({ ConsoleSpanExporter }) => new ConsoleSpanExporter(),
      )
  }
}

const read = (path: string) => (path === '' ? undefined : readFileSync(path))

/** The same for log records: they go where the spans go, by the same protocol. */
export async function createLogExporter(
  settings: TracingSettings,
  env: Env,
): Promise<LogRecordExporter> {
  if (settings.exporter === 'otlp_grpc') {
    const { OTLPLogExporter } = await import('@opentelemetry/exporter-logs-otlp-grpc')
    return new OTLPLogExporter(await grpcOptions(settings, env))
  }
  const { OTLPLogExporter } = await import('@opentelemetry/exporter-logs-otlp-proto')
  return new OTLPLogExporter(httpOptions(settings, env, '/v1/logs'))
}

function pem({ caFile, certFile, keyFile }: TracingSettings['tls']) {
  return { ca: read(caFile), cert: read(certFile), key: read(keyFile) }
}

/** True if the environment names certificates, which the SDK reads by itself. */
function tlsFromEnv(env: Env): boolean {
  return Object.keys(env).some((name) =>
    /^OTEL_EXPORTER_OTLP_.*(CERTIFICATE|CLIENT_KEY)$/.test(name),
  )
}

async function otlpGrpc(settings: TracingSettings, env: Env): Promise<SpanExporter> {
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc')
  return new OTLPTraceExporter(await grpcOptions(settings, env))
}

async function grpcOptions(settings: TracingSettings, env: Env) {
  const grpc = await import('@grpc/grpc-js')
  const { endpoint, headers, tls, batch } = settings
  const metadata = new grpc.Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  const { ca, cert, key } = pem(tls)
  const secure = endpoint?.startsWith('https:') === true && !tlsFromEnv(env)
  return {
    ...(endpoint !== undefined && { url: endpoint }),
    ...(secure && {
      credentials: grpc.credentials.createSsl(ca ?? null, key ?? null, cert ?? null),
    }),
    metadata,
    ...timeout(batch.timeoutMs, env),
  }
}

async function otlpHttp(settings: TracingSettings, env: Env): Promise<SpanExporter> {
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto')
  return new OTLPTraceExporter(httpOptions(settings, env, '/v1/traces'))
}

function httpOptions(settings: TracingSettings, env: Env, path: string) {
  const { endpoint, headers, tls, batch } = settings
  const { ca, cert, key } = pem(tls)
  const own = ca !== undefined || cert !== undefined
  return {
    ...(endpoint !== undefined && { url: signalUrl(endpoint, path) }),
    headers,
    ...(own &&
      !tlsFromEnv(env) && {
        httpAgentOptions: {
          keepAlive: true,
          ...(ca && { ca }),
          ...(cert && { cert }),
          ...(key && { key }),
        },
      }),
    ...timeout(batch.timeoutMs, env),
  }
}

/** Adds the path of the signal to a base URL, as OTLP's specification says, unless it has a path. */
function signalUrl(endpoint: string, path: string): string {
  const url = new URL(endpoint)
  if (url.pathname === '/') url.pathname = path
  return url.href
}

async function zipkin({ endpoint, headers }: TracingSettings, env: Env): Promise<SpanExporter> {
  const { ZipkinExporter } = await import('@opentelemetry/exporter-zipkin')
  const given = endpoint !== undefined && !env.OTEL_EXPORTER_ZIPKIN_ENDPOINT
  const url = given ? new URL(endpoint) : undefined
  if (url?.pathname === '/') url.pathname = '/api/v2/spans'
  return new ZipkinExporter({ headers, ...(url && { url: url.href }) })
}

function timeout(timeoutMs: number, env: Env) {
  const given = env.OTEL_EXPORTER_OTLP_TIMEOUT || env.OTEL_EXPORTER_OTLP_TRACES_TIMEOUT
  return given ? {} : { timeoutMillis: timeoutMs }
}
