import { SpanKind } from '@opentelemetry/api'
import { fail, type SpanTools } from './layer-spans.ts'
import type { Sampling } from './sampling.ts'
import { scopeOf } from './scope.ts'
import { beginSpan, type SpanTrace, timeIn } from './span/recorded-span.ts'
import { spanHead } from './span/span-part.ts'
import type { RootSpan, SpanRef, Tracing } from './tracing.ts'

/** See `Tracing.root`. */
export function rootSpans(tools: SpanTools & { sampling: Sampling }): Tracing['root'] {
  return async function root<T>(
    { name, facts, event, internal, link }: RootSpan,
    run: (ref?: SpanRef) => Promise<T>,
  ) {
    const work = (ref?: SpanRef) => tools.scopes.exit(run, ref)
    const chosen = { parent: undefined, priority: false, operation: name, route: name }
    if (tools.sampling(chosen) !== 'record') return work()
    const trace = newTrace()
    const kind = internal ? SpanKind.INTERNAL : SpanKind.CLIENT
    const span = beginSpan(trace, spanHead(name, kind, facts), timeIn(trace), undefined)
    if (link) tools.sdkSpan(span).addLink({ context: link })
    try {
      const value = await work(tools.sdkSpan(span).spanContext())
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
