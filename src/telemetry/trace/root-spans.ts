import { SpanKind } from '@opentelemetry/api'
import { fail, type SpanTools } from './layer-spans.ts'
import type { Sampling } from './sampling.ts'
import { scopeOf } from './scope.ts'
import { beginSpan, type SpanTrace, timeIn } from './span/recorded-span.ts'
import { spanHead } from './span/span-part.ts'
import type { RootSpan, Tracing } from './tracing.ts'

/** See `Tracing.root`. */
export function rootSpans(tools: SpanTools & { sampling: Sampling }): Tracing['root'] {
  return async function root<T>({ name, facts, event }: RootSpan, run: () => Promise<T>) {
    const work = () => tools.scopes.exit(run)
    const chosen = { parent: undefined, priority: false, operation: name, route: name }
    if (tools.sampling(chosen) !== 'record') return work()
    const trace = newTrace()
    const span = beginSpan(trace, spanHead(name, SpanKind.CLIENT, facts), timeIn(trace), undefined)
    try {
      const value = await work()
      tools.sdkSpan(span).addEvent(event, timeIn(trace))
      return value
    } catch (err) {
      fail(span, scopeOf(undefined, span), err, tools)
      throw err
    } finally {
      tools.endSpan(span, timeIn(trace))
    }
  }
}

function newTrace(): SpanTrace {
  return {
    epochMs: Date.now() - performance.now(),
    traceId: undefined,
    spanId: undefined,
    base: undefined,
    state: undefined,
    held: undefined,
  }
}
