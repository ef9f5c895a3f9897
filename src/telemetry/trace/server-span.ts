import { type SpanContext, SpanKind, SpanStatusCode, trace as api } from '@opentelemetry/api'
import type { Exchange, Request } from '../../server/exchange/exchange.ts'
import { serverError } from '../rpc-status.ts'
import { exception } from './attributes.ts'
import { exceptionAttributes } from './exception.ts'
import { giveUp, type SpanTools } from './layer-spans.ts'
import {
  callersDecision,
  hasPriority,
  propagationFields,
  readContext,
} from './propagation/propagation.ts'
import type { Sampling, Verdict } from './sampling.ts'
import { spanIdOf, traceIdOf } from './span/ids.ts'
import { beginSpan, type Held, type RecordedSpan, timeIn } from './span/recorded-span.ts'
import type { RequestTrace } from './scope.ts'
import { peerOf, serverDescriber } from './server-attributes.ts'
import { spanHead, stateBytes } from './span/span-part.ts'
import { heldKey } from './tail-sampling.ts'

/** The settings of the server spans of a process. */
export interface ServerSpanOptions extends SpanTools {
  sampling: Sampling
  /** Where a caller asks for a trace: a header, an entry of the baggage; empty: nowhere. */
  priority: { header: string; baggage: string }
  /** Tail sampling: keeps a request that has failed, or took at least so long; 0: however long. */
  keep: { errors: boolean; slowerThanMs: number }
  /** Begins to hold the spans of one request back. */
  hold: () => Held
  /** Whether instrumentations need a server span from the start, when no route is known yet. */
  early: boolean
}

const unnamed = spanHead('HTTP', SpanKind.SERVER)

/** The trace of an exchange that has just begun: nothing is read, decided or recorded of it yet. */
export function openTrace(exchange: Exchange, request: Request | undefined): RequestTrace {
  return {
    exchange,
    request,
    peer: request && peerOf(request),
    epochMs: 0,
    traceId: undefined,
    spanId: undefined,
    base: undefined,
    state: undefined,
    decided: false,
    span: undefined,
    held: undefined,
    failedBelow: false,
  }
}

/** The moments of a server span. Each may be called for any trace, recorded or not. */
export function serverSpans(options: ServerSpanOptions) {
  const fields = propagationFields()
  const describe = serverDescriber(options.personalData)

  /** Reads what the caller has sent, once, and takes its trace id. */
  function read(trace: RequestTrace) {
    trace.base ??= readContext(trace.request, fields)
    const parent = api.getSpanContext(trace.base)
    if (parent) trace.traceId ??= traceIdOf(parent.traceId)
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

  function holdBack(trace: RequestTrace): void {
    trace.held = options.hold()
    trace.base = read(trace).base.setValue(heldKey, trace.held)
  }

  /** Decides, once, whether the request is recorded, and begins its span if so. */
  function decide(trace: RequestTrace): void {
    if (trace.decided) return
    trace.decided = true
    const verdict = verdictOf(trace)
    if (verdict === 'none') return
    if (verdict === 'hold') holdBack(trace)
    begin(trace, read(trace).parent)
  }

  return {
    read,
    decide,
    /** A stream has begun. It may last for days, in which its spans would fill what can be held. */
    stream: ({ held }: RequestTrace): void => held?.settle(false),
    end(trace: RequestTrace): void {
      if (!trace.span) return
      if (trace.exchange.stream && trace.held?.isSettled()) {
        // The spans below are dropped; that of a stream that fails is kept alone.
        holdBack(trace)
        trace.failedBelow = false
      }
      describe(trace, trace.span)
      giveUp(trace.span, options)
      end(trace, trace.span, options)
    },
  }
}

function begin(trace: RequestTrace, parent: SpanContext | undefined): void {
  const { exchange } = trace
  // One clock for the whole tree: Date.now() alone would let children end after their parents.
  trace.epochMs = Date.now() - performance.now()
  const state = parent?.traceState?.serialize()
  if (state) trace.state = stateBytes(state)
  const above = parent && spanIdOf(parent.spanId)
  // The name of the span is known at its end.
  trace.span = beginSpan(trace, unnamed, timeIn(trace, exchange.startedAt), above)
  trace.spanId = trace.span.id
}

function end(trace: RequestTrace, span: RecordedSpan, options: ServerSpanOptions): void {
  const { exchange } = trace
  const { sdkSpan, endSpan, personalData, keep } = options
  const { failure, startedAt, durationMs } = exchange
  const type = serverError(exchange)
  const endedAt = timeIn(trace, startedAt + durationMs)
  if (type !== undefined) {
    const full = sdkSpan(span).setStatus({ code: SpanStatusCode.ERROR, message: type })
    if (failure?.cause !== undefined && !trace.failedBelow)
      full.addEvent(exception.event, exceptionAttributes(failure.cause, personalData), endedAt)
  }
  endSpan(span, endedAt)
  // How long a stream lasts is its client's choice.
  const slow = !exchange.stream && keep.slowerThanMs > 0 && durationMs >= keep.slowerThanMs
  trace.held?.settle(slow || (keep.errors && type !== undefined))
}
