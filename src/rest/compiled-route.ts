import type { DescField } from '@bufbuild/protobuf'
import type { MethodImplSpec } from '@connectrpc/connect'
import { type Binder, compileBinder } from './request/bind.ts'
import { compileEncoder, type Encoder } from './answer/encode.ts'
import { bodyTypes } from './request/body-types.ts'
import { etagPath } from './request/preconditions.ts'
import type { BodyTypes } from './media-type.ts'
import { unaryInvoker, type UnaryMethod } from '../call/invoke.ts'
import { type RestPluginOptions, type RestSettings, withDefaults } from './options.ts'
import { recordMethods } from '../call/methods.ts'
import { configuredBindings, type HttpBinding } from './route/rules.ts'
import { configuredRules } from './route/service-config.ts'
import { reasonNotToServe } from './route/advice.ts'
import type { RouteTable } from './route/table.ts'
import { compileTable } from './route/compile-table.ts'

/** The functions that serve one binding, compiled before the first request. */
export interface Target {
  binding: HttpBinding
  bind: Binder
  invoke: ReturnType<typeof unaryInvoker>
  encode: Encoder
  /** The path of the field that If-Match fills; undefined if the request has none. */
  etag: DescField[] | undefined
  types: BodyTypes
}

/**
 * The routes that a plugin with these options serves, for `routes` and for tests. Throws as
 * compileTargets.
 */
export function compileRoutes(options: RestPluginOptions): RouteTable<Target> {
  return compileTargets(withDefaults(options))
}

/** Compiles the bindings that are served. Throws for a rule that cannot work. */
export function compileTargets(settings: RestSettings): RouteTable<Target> {
  const { interceptors, emitDefaults, types } = settings
  const all = registered(settings).flatMap(({ spec, bindings }) => {
    if (!isServed(spec)) return []
    const invoke = unaryInvoker(spec, interceptors)
    return bindings.map((binding) => ({
      httpMethod: binding.httpMethod,
      template: binding.template,
      label: `${spec.method.parent.typeName}.${spec.method.name}`,
      target: {
        binding,
        bind: compileBinder(binding, settings.bind),
        invoke,
        encode: compileEncoder(binding, { emitDefaults, types }),
        etag: etagPath(binding),
        types: bodyTypes(binding),
      },
    }))
  })
  return compileTable(all)
}

/** The bindings of registered methods that are not served. */
export function unservedBindings(settings: RestSettings): HttpBinding[] {
  return registered(settings).flatMap(({ spec, bindings }) => (isServed(spec) ? [] : bindings))
}

function registered({ routes, serviceConfig }: RestSettings) {
  const specs = recordMethods(routes)
  const methods = specs.map(({ method }) => method)
  const configured = serviceConfig && configuredRules(serviceConfig, methods)
  return specs.map((spec) => ({ spec, bindings: configuredBindings(spec.method, configured) }))
}

function isServed(spec: MethodImplSpec): spec is UnaryMethod {
  return reasonNotToServe(spec.method) === undefined
}
