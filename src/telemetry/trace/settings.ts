import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Conf } from '../../conf/conf.ts'
import type { Env } from '../../conf/placeholder.ts'
import { type OtlpSettings, otlpTarget, type OtlpTarget, otlpVariable } from '../otlp/target.ts'
import type { BatchSettings } from './sdk/export-queue.ts'
import type { SamplingSettings } from './sampling.ts'

type ExporterKind = 'otlp' | 'zipkin' | 'console'

/** The settings of tracing: the configuration, with the OTEL_* variables over it. */
export interface TracingSettings {
  exporter: ExporterKind
  /** Where spans go over OTLP. */
  spans: OtlpTarget
  /** Where log lines go; undefined: not to the collector. */
  lines: OtlpTarget | undefined
  /** Where spans go as Zipkin's JSON. `url` is undefined where its OTEL_* variable, or its default, counts. */
  zipkin: { url: string | undefined; headers: Record<string, string> }
  sampling: SamplingSettings
  priority: { header: string; baggage: string }
  keep: { errors: boolean; slowerThanMs: number; maxSpans: number }
  batch: BatchSettings
  environment: string
  responseHeader: string
  personalData: boolean
  /** Whether a domain error below 500 is an error of the spans that it leaves. */
  clientErrors: boolean
  /** Whether the layers between the server span and its statements have no spans. */
  flat: boolean
  instrumentations: string[]
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
  const number = numbersFrom(env, notes)
  const endpoint = conf.endpoint || jaegerEndpoint(conf, notes)
  const exporter = exporterKind(conf.exporter, endpoint, env, notes)
  if (exporter === undefined) return undefined
  const own = { ...ownOtlp(conf), endpoint }
  const spans = otlpTarget('traces', own, env)
  if (exporter === 'otlp') notes.push(...spans.notes)
  const { sampling, batch } = conf
  const keep = {
    errors: sampling.keep.errors,
    slowerThanMs: durationMs(sampling.keep.slowerThan),
    maxSpans: sampling.keep.maxSpans,
  }
  return {
    exporter,
    spans,
    lines: logs && exporter === 'otlp' ? linesTarget(own, spans, env) : undefined,
    zipkin: {
      url: env.OTEL_EXPORTER_ZIPKIN_ENDPOINT ? undefined : endpoint || undefined,
      headers: own.headers,
    },
    sampling: samplingSettings(sampling, keep.errors || keep.slowerThanMs > 0, env, notes),
    priority: { header: sampling.priorityHeader, baggage: sampling.priorityBaggage },
    keep,
    batch: {
      maxSize: number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE') ?? batch.maxSize,
      delayMs: number('OTEL_BSP_SCHEDULE_DELAY', 0) ?? durationMs(batch.delay),
      queue: number('OTEL_BSP_MAX_QUEUE_SIZE') ?? batch.queue,
      timeoutMs: number('OTEL_BSP_EXPORT_TIMEOUT') ?? durationMs(batch.timeout),
    },
    environment: conf.environment,
    responseHeader: conf.responseHeader,
    personalData: conf.personalData,
    clientErrors: conf.clientErrors,
    flat: conf.flat,
    instrumentations: conf.instrumentations.split(',').filter(Boolean),
    notes,
  }
}

function ownOtlp({ endpoint, exporter, headers, tls, batch }: Conf['tracing']): OtlpSettings {
  const protocols = { otlp_grpc: 'grpc', otlp_http: 'http/protobuf' } as const
  return {
    endpoint,
    protocol: exporter === 'otlp_grpc' || exporter === 'otlp_http' ? protocols[exporter] : 'auto',
    headers: { ...headers },
    tls,
    timeoutMs: durationMs(batch.timeout),
  }
}

/** Log lines go to the collector of the spans, where the environment names no other for them. */
function linesTarget(own: OtlpSettings, spans: OtlpTarget, env: Env): OtlpTarget {
  const elsewhere = env.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT
  const protocol = elsewhere ? own.protocol : spans.protocol
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || own.endpoint
  return otlpTarget('logs', { ...own, protocol, endpoint, tls: spans.tls }, env)
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

function exporterKind(
  configured: string,
  endpoint: string,
  env: Env,
  notes: string[],
): ExporterKind | undefined {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return undefined
  const named = namedExporter(env.OTEL_TRACES_EXPORTER ?? '', notes)
  if (named === 'none') return undefined
  if (named !== undefined) return named
  if (configured === 'off') return undefined
  if (configured === 'zipkin' || configured === 'console') return configured
  const nowhere = endpoint === '' && otlpVariable(env, 'traces', 'ENDPOINT') === undefined
  return configured === 'auto' && nowhere ? undefined : 'otlp'
}

/** The first known exporter of a list. What else is known of it is noted as not used. */
function namedExporter(list: string, notes: string[]): ExporterKind | 'none' | undefined {
  const known = ['otlp', 'zipkin', 'console', 'none'] as const
  const names = list.split(',').map((name) => name.trim())
  const [used, ...others] = known
    .filter((name) => names.includes(name))
    .toSorted((a, b) => names.indexOf(a) - names.indexOf(b))
  for (const name of others)
    notes.push(
      `OTEL_TRACES_EXPORTER=${list}: spans go to one exporter, ${used}; ${name} is not used`,
    )
  return used
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
  const argument = numbersFrom(env, notes)('OTEL_TRACES_SAMPLER_ARG', 0) ?? 1
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

/** What a timer takes; it would not wait for a longer time at all. */
const maxMs = 2 ** 31 - 1

/** Reads variables that have a number. One that has none, or one that cannot be used, is said and not used. */
function numbersFrom(env: Env, notes: string[]) {
  return function number(name: string, least = 1): number | undefined {
    const text = env[name]
    if (text === undefined || text === '') return undefined
    const value = Number(text)
    if (value >= least && value <= maxMs) return value
    notes.push(`${name}=${text} is no number from ${least} to ${maxMs}, and is not used`)
    return undefined
  }
}
