import type { DescField } from '@bufbuild/protobuf'
import type { MethodImplSpec } from '@connectrpc/connect'
import { type Binder, compileBinder } from './request/bind.ts'
import { compileEncoder, type Encoder } from './answer/encode.ts'
import { bodyTypes } from './request/body-types.ts'
import { etagPath } from './request/preconditions.ts'
import type { BodyTypes } from './media-type.ts'
import { unaryInvoker } from '../call/invoke.ts'
import { type OneWayMethod, streamInvoker } from '../call/stream.ts'
import { hasHttpBody } from './stream/http-body.ts'
import { type StreamTarget, streamTargets } from './stream/target.ts'
import { type RestPluginOptions, type RestSettings, withDefaults } from './options.ts'
import { recordMethods } from '../call/methods.ts'
import { configuredBindings, type HttpBinding } from './route/rules.ts'
import { configuredRules } from './route/service-config.ts'
import { reasonNotToServe } from './route/advice.ts'
import type { RouteTable } from './route/table.ts'
import { compileTable } from './route/compile-table.ts'

/** What serves one binding, compiled before the first request. */
export type Target = UnaryTarget | StreamTarget

/** The functions that serve a binding whose request and answer are one JSON message each. */
export interface UnaryTarget {
  kind: 'unary'
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
  const all = registered(settings).flatMap(({ spec, bindings }) => {
    if (!isServed(spec)) return []
    const targetOf = targetMaker(spec, settings)
    return bindings.map((binding) => ({
      httpMethod: binding.httpMethod,
      template: binding.template,
      label: `${spec.method.parent.typeName}.${spec.method.name}`,
      target: targetOf(binding),
    }))
  })
  return compileTable(all)
}

/** The interceptors of a method are composed once for all of its bindings. */
function targetMaker(spec: OneWayMethod, settings: RestSettings): (binding: HttpBinding) => Target {
  const { interceptors } = settings
  const stream = streamTargets(streamInvoker(spec, interceptors), settings)
  if (spec.kind !== 'unary') return stream
  const invoke = unaryInvoker(spec, interceptors)
  return (binding) =>
    hasHttpBody(binding) ? stream(binding) : unaryTarget(binding, invoke, settings)
}

function unaryTarget(
  binding: HttpBinding,
  invoke: UnaryTarget['invoke'],
  { emitDefaults, types, bind }: RestSettings,
): UnaryTarget {
  return {
    kind: 'unary',
    binding,
    bind: compileBinder(binding, bind),
    invoke,
    encode: compileEncoder(binding, { emitDefaults, types }),
    etag: etagPath(binding),
    types: bodyTypes(binding),
  }
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

function isServed(spec: MethodImplSpec): spec is OneWayMethod {
  return reasonNotToServe(spec.method) === undefined
}
