import { type Context, type ContextManager, ROOT_CONTEXT, trace as api } from '@opentelemetry/api'
import { type Scope, scopeOf, type Scopes } from '../scope.ts'
import type { SdkSpans } from './sdk-spans.ts'

/** Makes OpenTelemetry's own API see the spans of a request, without a second AsyncLocalStorage. */
export function scopedContextManager(scopes: Scopes, spans: SdkSpans): ContextManager {
  function contextOf(scope: Scope): Context {
    const base = scope.trace?.base ?? ROOT_CONTEXT
    return scope.span ? api.setSpan(base, spans.of(scope.span)) : base
  }

  function active(): Context {
    const scope = scopes.getStore()
    return scope ? (scope.context ??= contextOf(scope)) : ROOT_CONTEXT
  }

  const manager: ContextManager = {
    active,
    with(context, work, self, ...args) {
      const trace = scopes.getStore()?.trace
      const span = trace && spans.recorded(api.getSpan(context), trace)
      const scope = { ...scopeOf(trace, span), context }
      return scopes.run(scope, () => work.apply(self as never, args))
    },
    bind(context, target) {
      if (typeof target !== 'function') return target
      const bound = (...args: unknown[]) => manager.with(context, () => target(...args) as unknown)
      return bound as typeof target
    },
    enable: () => manager,
    disable: () => manager,
  }
  return manager
}
