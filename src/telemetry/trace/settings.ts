import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Conf } from '../../conf/conf.ts'
import type { Env } from '../../conf/placeholder.ts'
import type { BatchSettings } from './sdk/export-queue.ts'
import type { SamplingSettings } from './sampling.ts'

type ExporterKind = 'otlp_grpc' | 'otlp_http' | 'zipkin' | 'console'

/** The settings of tracing: the configuration, with the OTEL_* variables over it. */
export interface TracingSettings {
  exporter: ExporterKind
  /** Undefined: the exporter's own default, or what its OTEL_* variable says. */
  endpoint: string | undefined
  headers: Record<string, string>
  tls: { caFile: string; certFile: string; keyFile: string }
  sampling: SamplingSettings
  priority: { header: string; baggage: string }
  keep: { errors: boolean; slowerThanMs: number; maxSpans: number }
  batch: BatchSettings
  environment: string
  responseHeader: string
  personalData: boolean
  /** Whether a domain error below 500 is an error of the spans that it leaves. */
  clientErrors: boolean
  instrumentations: string[]
  /** Whether log lines go to the collector, too. */
  logs: boolean
  /** Messages for the log at the start, about settings that were replaced or not usable. */
  notes: string[]
}

/** Reads the settings. Undefined: tracing is off, and nothing of OpenTelemetry's tracing is loaded. */
export function tracingSettings(
  conf: Conf['tracing'],
  env: Env,
  { otlp: logs }: Pick<Conf['log'], 'otlp'> = { otlp: false },
): TracingSettings | undefined {
  const notes: string[] = []
  const fromJaeger = jaegerEndpoint(conf, notes)
  const endpoint = conf.endpoint || fromJaeger
  const exporter = exporterKind(conf.exporter, endpoint, env, notes)
  if (exporter === undefined) return undefined
  const { sampling, batch } = conf
  const keep = {
    errors: sampling.keep.errors,
    slowerThanMs: durationMs(sampling.keep.slowerThan),
    maxSpans: sampling.keep.maxSpans,
  }
  const { caFile, certFile, keyFile } = conf.tls
  return {
    exporter,
    endpoint: endpointFromEnv(env) ? undefined : endpoint || undefined,
    headers:
      env.OTEL_EXPORTER_OTLP_HEADERS || env.OTEL_EXPORTER_OTLP_TRACES_HEADERS
        ? {}
        : { ...conf.headers },
    tls: { caFile, certFile, keyFile },
    sampling: samplingSettings(sampling, keep.errors || keep.slowerThanMs > 0, env, notes),
    priority: { header: sampling.priorityHeader, baggage: sampling.priorityBaggage },
    keep,
    batch: {
      maxSize: numberFrom(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE') ?? batch.maxSize,
      delayMs: numberFrom(env, 'OTEL_BSP_SCHEDULE_DELAY') ?? durationMs(batch.delay),
      queue: numberFrom(env, 'OTEL_BSP_MAX_QUEUE_SIZE') ?? batch.queue,
      timeoutMs: numberFrom(env, 'OTEL_BSP_EXPORT_TIMEOUT') ?? durationMs(batch.timeout),
    },
    environment: conf.environment,
    responseHeader: conf.responseHeader,
    personalData: conf.personalData,
    clientErrors: conf.clientErrors,
    logs: logs && exporter.startsWith('otlp'),
    instrumentations: conf.instrumentations.split(',').filter(Boolean),
    notes,
  }
}

/** Jaeger has dropped Thrift over HTTP for OTLP, which it takes since 1.35 on 4317 and 4318. */
function jaegerEndpoint({ jaegerEndpoint: given, endpoint }: Conf['tracing'], notes: string[]) {
  if (given === '' || endpoint !== '') return ''
  const url = URL.parse(given.includes('://') ? given : `http://${given}`)
  if (!url) return ''
  const otlp = `${url.protocol}//${url.hostname}:4318`
  notes.push(`tracing.jaeger_endpoint ${given}: Jaeger takes OTLP, so spans go to ${otlp}`)
  return otlp
}

function endpointFromEnv(env: Env): string | undefined {
  return env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT
}

function exporterKind(
  configured: string,
  endpoint: string,
  env: Env,
  notes: string[],
): ExporterKind | undefined {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return undefined
  const [named = ''] = (env.OTEL_TRACES_EXPORTER ?? '').split(',').map((name) => name.trim())
  if (named === 'none') return undefined
  if (named === 'zipkin' || named === 'console') return named
  if (named !== '' && named !== 'otlp')
    notes.push(`OTEL_TRACES_EXPORTER=${named} is not known: otlp, zipkin, console or none`)
  const effective = endpointFromEnv(env) ?? endpoint
  if (named !== 'otlp') {
    if (configured === 'off') return undefined
    if (configured === 'zipkin' || configured === 'console') return configured
    if (configured === 'auto' && effective === '') return undefined
  }
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL
  if (protocol) return protocol === 'grpc' ? 'otlp_grpc' : 'otlp_http'
  if (configured === 'otlp_grpc' || configured === 'otlp_http') return configured
  return /:4317\/?$/.test(effective) ? 'otlp_grpc' : 'otlp_http'
}

/** OTEL_TRACES_SAMPLER and its argument, where they are set. */
function samplingSettings(
  { ratio, rules }: Conf['tracing']['sampling'],
  keep: boolean,
  env: Env,
  notes: string[],
): SamplingSettings {
  const own = { parentBased: true, ratio, rules: Object.entries(rules), keep }
  const name = env.OTEL_TRACES_SAMPLER
  if (!name) return own
  const argument = numberFrom(env, 'OTEL_TRACES_SAMPLER_ARG') ?? 1
  const [, parentBased, root = ''] =
    /^(parentbased_)?(always_on|always_off|traceidratio)$/.exec(name) ?? []
  const ratios: Record<string, number> = { always_on: 1, always_off: 0, traceidratio: argument }
  const given = ratios[root]
  if (given === undefined || given < 0 || given > 1) {
    notes.push(`OTEL_TRACES_SAMPLER=${name} cannot be used; tracing.sampling counts`)
    return own
  }
  return { ...own, parentBased: parentBased !== undefined, ratio: given }
}

function numberFrom(env: Env, name: string): number | undefined {
  const text = env[name]
  const value = Number(text)
  return text === undefined || text === '' || !(value >= 0) ? undefined : value
}
