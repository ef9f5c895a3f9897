import type { DescField } from '@bufbuild/protobuf'
import { type Binder, compileBinder } from './request/bind.ts'
import { compileEncoder, type Encoder } from './answer/encode.ts'
import { etagPath } from './request/if-match.ts'
import { unaryInvoker } from '../call/invoke.ts'
import { type RestPluginOptions, type RestSettings, withDefaults } from './options.ts'
import { recordMethods } from '../call/methods.ts'
import { configuredBindings, type HttpBinding } from './route/rules.ts'
import { configuredRules } from './route/service-config.ts'
import type { RouteTable } from './route/table.ts'
import { compileTable } from './route/compile-table.ts'

/** What serves one binding: everything that can be made ready before the first request. */
export interface Target {
  binding: HttpBinding
  bind: Binder
  invoke: ReturnType<typeof unaryInvoker>
  encode: Encoder
  /** The field that If-Match fills. */
  etag: DescField[] | undefined
}

/** The routes that a plugin with these options serves, for printing and for tests. */
export function compileRoutes(options: RestPluginOptions): RouteTable<Target> {
  return compileTargets(withDefaults(options))
}

/** Compiles the bindings of every registered unary method. Throws for a rule that cannot work. */
export function compileTargets(settings: RestSettings): RouteTable<Target> {
  const { routes, interceptors, serviceConfig, emitDefaults, types } = settings
  const specs = recordMethods(routes)
  const configured =
    serviceConfig &&
    configuredRules(
      serviceConfig,
      specs.map(({ method }) => method),
    )
  const all = specs.flatMap((spec) => {
    if (spec.kind !== 'unary') return []
    const invoke = unaryInvoker(spec, interceptors)
    return configuredBindings(spec.method, configured).map((binding) => ({
      httpMethod: binding.httpMethod,
      template: binding.template,
      label: `${spec.method.parent.typeName}.${spec.method.name}`,
      target: {
        binding,
        bind: compileBinder(binding, settings.bind),
        invoke,
        encode: compileEncoder(binding, { emitDefaults, types }),
        etag: etagPath(binding),
      },
    }))
  })
  return compileTable(all)
}
