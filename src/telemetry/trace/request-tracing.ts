import type { Interceptor } from '@connectrpc/connect'
import {
  createContextKey,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace as api,
} from '@opentelemetry/api'
import { attachment } from '../../memory/attachment.ts'
import type { Exchange, ExchangeObserver, Request } from '../../server/exchange/exchange.ts'
import { exchangeKey } from '../../server/exchange/exchange.ts'
import { serverError } from '../rpc-status.ts'
import { exceptionAttributes } from './exception.ts'
import type { Held } from './tail-sampling.ts'
import { layerSpans, type SpanTools, timeIn, within } from './layer-spans.ts'
import { exception } from './attributes.ts'
import { hasPriority, outgoingHeaders, propagationFields, readContext } from './propagation.ts'
import type { Sampling } from './sampling.ts'
import { logFields, type RequestTrace, scopeOf, traceFields } from './scope.ts'
import {
  peerOf,
  requestAttributes,
  responseAttributes,
  serverSpanName,
} from './server-attributes.ts'
import { statementSpans } from './statement-spans.ts'
import type { Tracing } from './tracing.ts'

/** In the context of spans that are held back: who holds them. */
export const heldKey = createContextKey('user-service held spans')

export interface RequestTracingOptions extends SpanTools {
  service: string
  sampling: Sampling
  priority: { header: string; baggage: string }
  /** Keeps what was held back if it has failed, or took at least so long; 0: however long. */
  keep: { errors: boolean; slowerThanMs: number }
  hold: () => Held
  /** Makes the next trace that begins have this id. */
  nextTraceId: (id: string) => void
  /** Header that tells the caller the trace id; empty: none. */
  responseHeader: string
  /** Whether instrumentations need a server span from the start, when no route is known yet. */
  early: boolean
}

/** Everything of `Tracing` that concerns one request. Nothing is built for what is not recorded. */
export function requestTracing(options: RequestTracingOptions) {
  const { scopes, tracer, personalData, sampling, priority, keep, hold, responseHeader } = options
  const traces = attachment<Exchange, RequestTrace>('trace')
  const fields = propagationFields()

  function opened(exchange: Exchange, request?: Request): RequestTrace {
    const trace: RequestTrace = {
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
    traces.attach(exchange, trace)
    return trace
  }

  function read(trace: RequestTrace) {
    trace.base ??= readContext(trace.request, fields)
    const parent = api.getSpanContext(trace.base)
    if (trace.traceId === '' && parent) trace.traceId = parent.traceId
    return { base: trace.base, parent }
  }

  function decide(trace: RequestTrace): void {
    if (trace.decided) return
    trace.decided = true
    const { base, parent } = read(trace)
    const { operation, route, path } = trace.exchange
    const verdict = sampling({
      parent: parent && (parent.traceFlags & 1) === 1,
      priority: hasPriority(trace, priority),
      operation,
      route: route || path,
    })
    if (verdict === 'none') return
    if (verdict === 'hold') {
      trace.held = hold()
      trace.base = base.setValue(heldKey, trace.held)
    }
    beginServerSpan(trace)
  }

  function beginServerSpan(trace: RequestTrace): void {
    const { exchange, base = ROOT_CONTEXT } = trace
    // The caller has been told this id already.
    if (trace.traceId !== '' && !api.getSpanContext(base)) options.nextTraceId(trace.traceId)
    const attributes = requestAttributes(trace, personalData)
    const startTime = timeIn(trace, exchange.startedAt)
    const span = tracer.startSpan(
      serverSpanName(exchange),
      { kind: SpanKind.SERVER, startTime, attributes },
      base,
    )
    trace.span = span
    trace.traceId = span.spanContext().traceId
    trace.spanId = span.spanContext().spanId
  }

  function endServerSpan(trace: RequestTrace): void {
    const { exchange, span } = trace
    if (!span) return
    const { failure, startedAt, durationMs } = exchange
    if (options.early) {
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
    const { errors, slowerThanMs } = keep
    const slow = slowerThanMs > 0 && durationMs >= slowerThanMs
    trace.held?.settle(slow || (errors && type !== undefined))
  }

  function around(exchange: Exchange, work: () => void): void {
    const trace = traces.of(exchange)
    if (!trace) return work()
    decide(trace)
    scopes.run(scopeOf(trace, trace.span), work)
  }

  const observer: ExchangeObserver = {
    begin(exchange, request, response) {
      const trace = opened(exchange, request)
      if (responseHeader === '') return
      read(trace)
      response.setHeader(responseHeader, traceFields(trace).trace_id ?? '')
    },
    ...(options.early && { around }),
    end(exchange) {
      const trace = traces.of(exchange) ?? opened(exchange)
      decide(trace)
      endServerSpan(trace)
    },
  }

  const interceptor: Interceptor = (next) =>
    function trace(req) {
      const exchange = req.contextValues.get(exchangeKey)
      const trace = exchange && traces.of(exchange)
      if (!trace) return next(req)
      decide(trace)
      const current = scopes.getStore()
      // An instrumentation may have put a span of its own around the handler.
      const inside = current?.trace === trace && current.span?.isRecording() === true
      const scope = inside ? current : scopeOf(trace, trace.span)
      const answer = scopes.run(scope, next, req)
      if (!req.stream) return answer
      return answer.then((res) =>
        res.stream ? { ...res, message: within(scopes, scope, res.message) } : res,
      )
    }

  return {
    observer,
    interceptor,
    traced: layerSpans(options, ROOT_CONTEXT),
    statements: statementSpans(options, ROOT_CONTEXT),
    fieldsOf(exchange) {
      const trace = traces.of(exchange)
      if (!trace) return {}
      read(trace)
      return traceFields(trace)
    },
    outgoing: () => outgoingHeaders(scopes.getStore(), options.service),
    /** The fields of a line that is written in the middle of a request. */
    logFields() {
      const scope = scopes.getStore()
      if (scope?.trace && !scope.span) read(scope.trace)
      return logFields(scope)
    },
  } satisfies Partial<Tracing> & { logFields: unknown }
}
