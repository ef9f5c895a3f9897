import { type Context, type ContextManager, ROOT_CONTEXT, trace as api } from '@opentelemetry/api'
import { contextOf } from '../layer-spans.ts'
import { scopeOf, type Scopes } from '../scope.ts'

/** Makes OpenTelemetry's own API see the spans of a request, without a second AsyncLocalStorage. */
export function scopedContextManager(scopes: Scopes): ContextManager {
  function active(): Context {
    const scope = scopes.getStore()
    return scope ? contextOf(scope, ROOT_CONTEXT) : ROOT_CONTEXT
  }

  const manager: ContextManager = {
    active,
    with(context, work, self, ...args) {
      const span = api.getSpan(context)
      const recorded = span?.isRecording() === true ? span : undefined
      const scope = { ...scopeOf(scopes.getStore()?.trace, recorded), context }
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
