import { type Context, propagation, ROOT_CONTEXT, trace as api } from '@opentelemetry/api'
import { TraceFlags } from '@opentelemetry/api'
import type { Request } from '../../../server/exchange/exchange.ts'
import { b3Value, isB3, isDeferred } from './b3.ts'
import { type RequestTrace, type Scope, traceFields } from '../scope.ts'

type Headers = Request['headers']

const getter = {
  keys: (headers: Headers) => Object.keys(headers),
  get(headers: Headers, key: string) {
    const value = headers[key.toLowerCase()]
    return isB3(key) && value !== undefined ? b3Value(key, String(value)) : value
  },
}

/**
 * The caller's span and baggage, by the propagators of OTEL_PROPAGATORS. `fields` are the headers that
 * these read, as `propagationFields` gives them.
 */
export function readContext(request: Request | undefined, fields: readonly string[]): Context {
  // Most requests from outside have none of the headers, and looking is cheaper than parsing.
  if (!request || !fields.some((field) => request.headers[field] !== undefined)) return ROOT_CONTEXT
  return propagation.extract(ROOT_CONTEXT, request.headers, getter)
}

/** The headers that the propagators read, in lower case. */
export function propagationFields(): string[] {
  const written = propagation.fields().map((field) => field.toLowerCase())
  return written.some(isB3) ? [...written, 'b3', 'x-b3-traceid'] : written
}

/**
 * Whether the caller wants its request recorded; undefined where it leaves that to this service, as B3
 * allows. OpenTelemetry's propagator takes a decision that is missing for a no.
 */
export function callersDecision(
  request: Request | undefined,
  base: Context,
  fields: readonly string[],
): boolean | undefined {
  const parent = api.getSpanContext(base)
  if (!parent) return undefined
  const recorded = (parent.traceFlags & TraceFlags.SAMPLED) !== 0
  const deferred = !recorded && fields.includes('b3') && isDeferred(request?.headers ?? {})
  return deferred ? undefined : recorded
}

/** Whether the caller has asked for a trace, by header or by baggage. */
export function hasPriority(
  { request, base }: RequestTrace,
  { header, baggage }: { header: string; baggage: string },
): boolean {
  if (header !== '' && isHigh(request?.headers[header])) return true
  if (baggage === '' || request?.headers['baggage'] === undefined || !base) return false
  return isHigh(propagation.getBaggage(base)?.getEntry(baggage)?.value)
}

function isHigh(value: unknown): boolean {
  return value === 'high' || value === '1'
}

const forwarded = 'x-md-global-'

/**
 * Headers for a call to another service: the trace and the baggage by the propagators; the name of
 * this service and the global metadata of the incoming call as Kratos' clients send them.
 */
export function outgoingHeaders(scope: Scope | undefined, service: string): Record<string, string> {
  const headers: Record<string, string> = { 'x-md-service-name': service }
  if (scope?.trace) injectTrace(scope, scope.trace, scope.span?.id.hex, headers)
  for (const [name, value] of Object.entries(scope?.trace?.request?.headers ?? {}))
    if (name.startsWith(forwarded) && value !== undefined) headers[name] = String(value)
  return headers
}

/**
 * Writes the headers that carry the trace and the baggage to another service; `spanId` is the span that
 * calls it, undefined where none is recorded. That service must not record a request that is held here
 * only in case it fails.
 */
export function injectTrace(
  scope: Scope,
  trace: RequestTrace,
  spanId: string | undefined,
  headers: Record<string, string>,
): void {
  const base = trace.base ?? ROOT_CONTEXT
  const recorded = scope.span !== undefined && !trace.held
  const { trace_id: traceId, span_id: own } = traceFields(trace)
  const traceFlags = recorded ? TraceFlags.SAMPLED : TraceFlags.NONE
  const traceState = api.getSpanContext(base)?.traceState
  const context = api.setSpanContext(base, {
    traceId,
    spanId: spanId ?? own,
    traceFlags,
    ...(traceState && { traceState }),
  })
  propagation.inject(context, headers)
}
