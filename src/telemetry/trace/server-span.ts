import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace as api } from '@opentelemetry/api'
import type { Exchange, Request } from '../../server/exchange/exchange.ts'
import { serverError } from '../rpc-status.ts'
import { exception } from './attributes.ts'
import { exceptionAttributes } from './exception.ts'
import { type SpanTools, timeIn } from './layer-spans.ts'
import { callersDecision, hasPriority, propagationFields, readContext } from './propagation.ts'
import type { Sampling, Verdict } from './sampling.ts'
import type { RequestTrace } from './scope.ts'
import {
  peerOf,
  requestAttributes,
  responseAttributes,
  serverSpanName,
} from './server-attributes.ts'
import { type Held, heldKey } from './tail-sampling.ts'

/** What the server spans of a process depend on. */
export interface ServerSpanOptions extends SpanTools {
  sampling: Sampling
  /** Where a caller asks for a trace: a header, an entry of the baggage; empty: nowhere. */
  priority: { header: string; baggage: string }
  /** Tail sampling: keeps a request that has failed, or took at least so long; 0: however long. */
  keep: { errors: boolean; slowerThanMs: number }
  /** Begins to hold the spans of one request back. */
  hold: () => Held
  /** Makes the next trace that begins have this id. */
  nextTraceId: (id: string) => void
  /** Whether instrumentations need a server span from the start, when no route is known yet. */
  early: boolean
}

/** The trace of an exchange that has just begun: nothing is read, decided or recorded of it yet. */
export function openTrace(exchange: Exchange, request: Request | undefined): RequestTrace {
  return {
    exchange,
    request,
    peer: request && peerOf(request),
    // One clock for the whole tree: Date.now() alone would let children end after their parents.
    epochMs: Date.now() - performance.now(),
    traceId: '',
    spanId: '',
    base: undefined,
    decided: false,
    span: undefined,
    held: undefined,
    failedBelow: false,
  }
}

/** The three moments of a server span. Each may be called for any trace, recorded or not. */
export function serverSpans(options: ServerSpanOptions) {
  const fields = propagationFields()

  /** Reads what the caller has sent, once, and takes its trace id. */
  function read(trace: RequestTrace) {
    trace.base ??= readContext(trace.request, fields)
    const parent = api.getSpanContext(trace.base)
    if (trace.traceId === '' && parent) trace.traceId = parent.traceId
    return { base: trace.base, parent }
  }

  function verdictOf(trace: RequestTrace): Verdict {
    const { operation, route, path } = trace.exchange
    const { base } = read(trace)
    return options.sampling({
      parent: callersDecision(trace.request, base, fields),
      priority: hasPriority(trace, options.priority),
      operation,
      route: route || path,
    })
  }

  /** Decides, once, whether the request is recorded, and begins its span if so. */
  function decide(trace: RequestTrace): void {
    if (trace.decided) return
    trace.decided = true
    const verdict = verdictOf(trace)
    if (verdict === 'none') return
    if (verdict === 'hold') {
      trace.held = options.hold()
      trace.base = read(trace).base.setValue(heldKey, trace.held)
    }
    begin(trace, options)
  }

  return { read, decide, end: (trace: RequestTrace) => end(trace, options) }
}

function begin(trace: RequestTrace, { tracer, personalData, nextTraceId }: ServerSpanOptions) {
  const { exchange, base = ROOT_CONTEXT } = trace
  // The caller has been told this id already.
  if (trace.traceId !== '' && !api.getSpanContext(base)) nextTraceId(trace.traceId)
  const attributes = requestAttributes(trace, personalData)
  const startTime = timeIn(trace, exchange.startedAt)
  const kind = SpanKind.SERVER
  trace.span = tracer.startSpan(serverSpanName(exchange), { kind, startTime, attributes }, base)
  const { traceId, spanId } = trace.span.spanContext()
  trace.traceId = traceId
  trace.spanId = spanId
}

function end(trace: RequestTrace, { personalData, early, keep }: ServerSpanOptions): void {
  const { exchange, span } = trace
  if (!span) return
  const { failure, startedAt, durationMs } = exchange
  if (early) {
    span.updateName(serverSpanName(exchange))
    span.setAttributes(requestAttributes(trace, personalData))
  }
  span.setAttributes(responseAttributes(exchange))
  const type = serverError(exchange)
  const endedAt = timeIn(trace, startedAt + durationMs)
  if (type !== undefined) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: type })
    if (failure?.cause !== undefined && !trace.failedBelow)
      span.addEvent(exception.event, exceptionAttributes(failure.cause, personalData), endedAt)
  }
  span.end(endedAt)
  const slow = keep.slowerThanMs > 0 && durationMs >= keep.slowerThanMs
  trace.held?.settle(slow || (keep.errors && type !== undefined))
}
