import type { Env } from '../../conf/placeholder.ts'

/** A signal, as OTEL_EXPORTER_OTLP_* and the paths of OTLP spell it. */
export type OtlpSignal = 'traces' | 'metrics' | 'logs'
/** A protocol of OTLP, as OTEL_EXPORTER_OTLP_PROTOCOL spells it. */
export type OtlpProtocol = 'grpc' | 'http/protobuf'

/** PEM files; empty where there is none. */
interface OtlpTls {
  caFile: string
  certFile: string
  keyFile: string
}

/** The settings of one signal in the configuration. */
export interface OtlpSettings {
  /** Base URL of the collector; empty where none is named. */
  endpoint: string
  /** `auto`: by the port of the endpoint. */
  protocol: OtlpProtocol | 'auto'
  headers: Record<string, string>
  tls: OtlpTls
  timeoutMs: number
}

/** Where a signal goes, and how. */
export interface OtlpTarget {
  protocol: OtlpProtocol
  /** For this signal; undefined: no endpoint is named, and OpenTelemetry's default counts. */
  url: string | undefined
  /** Those of the environment are added by the SDK. */
  headers: Record<string, string>
  tls: OtlpTls
  timeoutMs: number
  /** Lines for the log at the start. */
  notes: string[]
}

/** The rule for endpoints, for messages. */
export const endpointRule =
  'must be a URL with its scheme, such as http://collector:4317 (gRPC) or http://collector:4318 (HTTP)'

/** The protocols that OTEL_EXPORTER_OTLP_PROTOCOL may name. */
export const protocolNames = ['grpc', 'http/protobuf', 'http/json'] as const

/** Whether an exporter can use the text: a URL of HTTP, also where gRPC is spoken. */
export function isEndpoint(text: string): boolean {
  return /^https?:$/.test(URL.parse(text)?.protocol ?? '')
}

/** The variable OTEL_EXPORTER_OTLP_* that counts for a signal: its own, or that of all signals. */
export function otlpVariable(env: Env, signal: OtlpSignal, name: string) {
  const names = [`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${name}`, `OTEL_EXPORTER_OTLP_${name}`]
  const variable = names.find((each) => env[each])
  return variable === undefined ? undefined : { variable, value: env[variable] ?? '' }
}

/**
 * The one rule for traces, metrics and log lines: each of endpoint, protocol, headers, files of TLS and
 * timeout is what OTEL_EXPORTER_OTLP_* says, or else the configuration. Without a protocol it is gRPC
 * for port 4317 and HTTP for all others, as these ports are assigned.
 */
export function otlpTarget(signal: OtlpSignal, own: OtlpSettings, env: Env): OtlpTarget {
  const inEnv = (name: string) => otlpVariable(env, signal, name)?.value
  const endpoint = inEnv('ENDPOINT') ?? own.endpoint
  const { protocol, notes } = protocolOf(signal, own.protocol, endpoint, env)
  const caFile = inEnv('CERTIFICATE') ?? own.tls.caFile
  if (caFile !== '' && endpoint.startsWith('http:'))
    notes.push(`${signal} go in clear text: ${caFile} counts for an endpoint with https:// only`)
  return {
    protocol,
    url: endpoint === '' ? undefined : urlOf(signal, endpoint, protocol, env),
    headers: inEnv('HEADERS') === undefined ? { ...own.headers } : {},
    tls: {
      caFile,
      certFile: inEnv('CLIENT_CERTIFICATE') ?? own.tls.certFile,
      keyFile: inEnv('CLIENT_KEY') ?? own.tls.keyFile,
    },
    timeoutMs: numberOf(inEnv('TIMEOUT')) ?? own.timeoutMs,
    notes,
  }
}

function protocolOf(
  signal: OtlpSignal,
  own: OtlpSettings['protocol'],
  endpoint: string,
  env: Env,
): Pick<OtlpTarget, 'protocol' | 'notes'> {
  const given = otlpVariable(env, signal, 'PROTOCOL')
  if (given?.value === 'http/json') {
    const notes = [
      `${given.variable}=http/json: http/protobuf is used, which collectors take as well`,
    ]
    return { protocol: 'http/protobuf', notes }
  }
  const named = given?.value ?? own
  if (named === 'grpc' || named === 'http/protobuf') return { protocol: named, notes: [] }
  const byPort = URL.parse(endpoint)?.port === '4317' ? 'grpc' : 'http/protobuf'
  return { protocol: byPort, notes: [] }
}

/**
 * By OTLP's specification the path of the signal is added to a base URL, and nothing to the endpoint
 * of one signal. A base URL that has the path of a signal already loses it first.
 */
function urlOf(signal: OtlpSignal, endpoint: string, protocol: OtlpProtocol, env: Env): string {
  const exact = env[`OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_ENDPOINT`]
  if (protocol === 'grpc' || exact) return endpoint
  const url = new URL(endpoint)
  const base = url.pathname.replace(/\/(?:v1\/(?:traces|metrics|logs))?\/*$/, '')
  url.pathname = `${base}/v1/${signal}`
  return url.href
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}
