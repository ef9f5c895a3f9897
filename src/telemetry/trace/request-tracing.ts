import type { Interceptor } from '@connectrpc/connect'
import { attachment } from '../../memory/attachment.ts'
import type { Exchange, ExchangeObserver } from '../../server/exchange/exchange.ts'
import { exchangeKey } from '../../server/exchange/exchange.ts'
import { clientSpans } from './client-spans.ts'
import { layerSpans, within } from './layer-spans.ts'
import { outgoingHeaders } from './propagation/propagation.ts'
import { localSpans } from './local-spans.ts'
import { isOpen } from './span/recorded-span.ts'
import { logFields, type RequestTrace, type Scope, scopeOf, traceFields } from './scope.ts'
import { redisSpans } from './redis/redis-spans.ts'
import { rootSpans } from './root-spans.ts'
import { openTrace, type ServerSpanOptions, serverSpans } from './server-span.ts'
import { statementSpans } from './statement-spans.ts'
import type { RunningTracing } from './tracing.ts'

/** The parts of the tracing of requests. */
interface RequestTracingOptions extends ServerSpanOptions {
  /** Name of this service, for calls to others. */
  service: string
  /** Whether the layers have no spans. */
  flat: boolean
  /** Header that tells the caller the trace id; empty: none. */
  responseHeader: string
}

/** Everything of `Tracing` that concerns one request. Nothing is built for what is not recorded. */
export function requestTracing(options: RequestTracingOptions) {
  const { scopes, service } = options
  const traces = attachment<Exchange, RequestTrace>('trace')
  const spans = serverSpans(options)

  return {
    observer: observerOf(options, spans, traces),
    interceptor: interceptorOf(options, spans, traces),
    local: localSpans(options),
    traced: options.flat ? (_layer, object) => object : layerSpans(options),
    root: rootSpans(options),
    statements: statementSpans(options),
    redis: redisSpans(options),
    fieldsOf(exchange) {
      const trace = traces.of(exchange)
      if (!trace) return {}
      spans.read(trace)
      return traceFields(trace)
    },
    calls: clientSpans(options),
    outgoing: () => outgoingHeaders(scopes.getStore(), service),
    logFields() {
      const scope = scopes.getStore()
      if (scope?.trace && !scope.span) spans.read(scope.trace)
      return logFields(scope)
    },
  } satisfies Partial<RunningTracing>
}

type Spans = ReturnType<typeof serverSpans>
type Traces = ReturnType<typeof attachment<Exchange, RequestTrace>>

/** Opens a trace with each exchange and ends its server span with it. */
function observerOf(
  { scopes, responseHeader, early }: RequestTracingOptions,
  spans: Spans,
  traces: Traces,
): ExchangeObserver {
  function opened(...[exchange, request]: Parameters<typeof openTrace>): RequestTrace {
    const trace = openTrace(exchange, request)
    traces.attach(exchange, trace)
    return trace
  }

  function around(exchange: Exchange, work: () => void): void {
    const trace = traces.of(exchange)
    if (!trace) return work()
    spans.decide(trace)
    scopes.run(scopeOf(trace, trace.span), work)
  }

  return {
    begin(exchange, request, response) {
      const trace = opened(exchange, request)
      if (responseHeader === '') return
      spans.read(trace)
      response.setHeader(responseHeader, traceFields(trace).trace_id)
    },
    ...(early && { around }),
    end(exchange) {
      const trace = traces.of(exchange) ?? opened(exchange, undefined)
      spans.decide(trace)
      spans.end(trace)
    },
  }
}

/** Decides when the operation is known, and makes the server span the parent of the handler's spans. */
function interceptorOf(
  { scopes }: RequestTracingOptions,
  spans: Spans,
  traces: Traces,
): Interceptor {
  function scopeIn(trace: RequestTrace): Scope {
    const current = scopes.getStore()
    // An instrumentation may have put a span of its own around the handler.
    const inside = current?.trace === trace && current.span && isOpen(current.span)
    return inside ? current : scopeOf(trace, trace.span)
  }

  return (next) =>
    function trace(req) {
      const exchange = req.contextValues.get(exchangeKey)
      const trace = exchange && traces.of(exchange)
      if (!trace) return next(req)
      spans.decide(trace)
      const scope = scopeIn(trace)
      const answer = scopes.run(scope, next, req)
      if (!req.stream) return answer
      return answer.then((res) => {
        spans.stream(trace)
        return res.stream ? { ...res, message: within(scopes, scope, res.message) } : res
      })
    }
}
