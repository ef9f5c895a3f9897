import { diag, DiagConsoleLogger, type TextMapPropagator } from '@opentelemetry/api'
import {
  CompositePropagator,
  diagLogLevelFromString,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from '@opentelemetry/core'
import {
  detectResources,
  envDetector,
  hostDetector,
  osDetector,
  processDetector,
  type Resource,
  serviceInstanceIdDetector,
} from '@opentelemetry/resources'
import type { LogRecordLimits } from '@opentelemetry/sdk-logs'
import type { SpanLimits } from '@opentelemetry/sdk-trace'
import type { Env } from '../../../conf/placeholder.ts'

// The variables that OpenTelemetry's specification has for every SDK. They choose between classes of
// OpenTelemetry's packages. Its sdk-node reads them too, but loads every exporter to do so.

/** Makes OpenTelemetry's packages tell of themselves on the console, by OTEL_LOG_LEVEL. */
export function useLogLevel({ OTEL_LOG_LEVEL: level }: Env): void {
  const logLevel = level ? diagLogLevelFromString(level) : undefined
  if (logLevel !== undefined) diag.setLogger(new DiagConsoleLogger(), { logLevel })
}

const detectors = {
  serviceinstance: serviceInstanceIdDetector,
  process: processDetector,
  host: hostDetector,
  os: osDetector,
  env: envDetector,
}

/** `own` with what the detectors of OTEL_NODE_RESOURCE_DETECTORS find, once that is read from files. */
export async function detectedResource(own: Resource, env: Env): Promise<Resource> {
  const names = listOf(env.OTEL_NODE_RESOURCE_DETECTORS, 'all')
  const all = Object.entries(detectors)
  const chosen = names.includes('none')
    ? []
    : all.filter(([name]) => names.includes(name) || names.includes('all'))
  for (const name of names.filter((name) => !(name in detectors) && !/^(all|none)$/.test(name)))
    diag.warn(`OTEL_NODE_RESOURCE_DETECTORS: there is no resource detector ${name}`)
  const resource = own.merge(detectResources({ detectors: chosen.map(([, each]) => each) }))
  await resource.waitForAsyncAttributes?.()
  return resource
}

/** The propagators of OTEL_PROPAGATORS; undefined where that is `none`. */
export async function propagatorOf(env: Env): Promise<TextMapPropagator | undefined> {
  const names = new Set(listOf(env.OTEL_PROPAGATORS, 'tracecontext,baggage'))
  if (names.has('none')) return undefined
  const propagators = await Promise.all([...names].map(propagatorNamed))
  return new CompositePropagator({ propagators: propagators.flatMap((each) => each ?? []) })
}

async function propagatorNamed(name: string): Promise<TextMapPropagator | undefined> {
  if (name === 'tracecontext') return new W3CTraceContextPropagator()
  if (name === 'baggage') return new W3CBaggagePropagator()
  if (name === 'b3' || name === 'b3multi') {
    const { B3InjectEncoding, B3Propagator } = await import('@opentelemetry/propagator-b3')
    return new B3Propagator(
      name === 'b3multi' ? { injectEncoding: B3InjectEncoding.MULTI_HEADER } : {},
    )
  }
  return undefined
}

function listOf(given: string | undefined, otherwise: string): string[] {
  const names = namesIn(given)
  return names.length > 0 ? names : namesIn(otherwise)
}

function namesIn(list = ''): string[] {
  return list.split(',').flatMap((name) => name.trim() || [])
}

/** The limits of spans that are set; the SDK has defaults for the others. */
export function spanLimits(env: Env): SpanLimits {
  return limitsIn(env, {
    attributeCountLimit: ['SPAN_ATTRIBUTE_COUNT_LIMIT', 'ATTRIBUTE_COUNT_LIMIT'],
    attributeValueLengthLimit: [
      'SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT',
      'ATTRIBUTE_VALUE_LENGTH_LIMIT',
    ],
    eventCountLimit: ['SPAN_EVENT_COUNT_LIMIT'],
    linkCountLimit: ['SPAN_LINK_COUNT_LIMIT'],
    attributePerEventCountLimit: ['EVENT_ATTRIBUTE_COUNT_LIMIT'],
    attributePerLinkCountLimit: ['LINK_ATTRIBUTE_COUNT_LIMIT'],
  })
}

/** The same for log records. */
export function logLimits(env: Env): LogRecordLimits {
  return limitsIn(env, {
    attributeCountLimit: ['LOGRECORD_ATTRIBUTE_COUNT_LIMIT', 'ATTRIBUTE_COUNT_LIMIT'],
    attributeValueLengthLimit: [
      'LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT',
      'ATTRIBUTE_VALUE_LENGTH_LIMIT',
    ],
  })
}

/** For each limit the number of the first of its variables that has one. */
function limitsIn(env: Env, variables: Record<string, string[]>): Record<string, number> {
  const limits = Object.entries(variables).flatMap(([limit, names]) => {
    const text = names.map((name) => env[`OTEL_${name}`]?.trim()).find(Boolean)
    return Number(text) >= 0 ? [[limit, Number(text)] as const] : []
  })
  return Object.fromEntries(limits)
}
