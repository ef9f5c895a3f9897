import { fromJson, type DescMethod, type JsonValue } from '@bufbuild/protobuf'
import { type Http, type HttpRule, HttpSchema } from '../../gen/google/api/http_pb.ts'

/** HTTP rules beside the protos, as Google's service configurations have them. */
export interface ServiceConfig {
  /** google.api.Http in its JSON form, such as `{ rules: [{ selector: 'pkg.Svc.Get', get: '/v1/x' }] }`. */
  http: JsonValue
  /** Whether a rule takes the place of what the proto says of its method or is added to it. */
  mode: 'override' | 'append'
}

export interface ConfiguredRules {
  readonly mode: ServiceConfig['mode']
  /** The rule for a method, if any; the last that selects it. */
  ruleFor(method: DescMethod): HttpRule | undefined
}

/** Reads the rules. Throws when they are malformed or select none of the methods. */
export function configuredRules(
  { http, mode }: ServiceConfig,
  methods: readonly DescMethod[],
): ConfiguredRules {
  const { rules }: Http = fromJson(HttpSchema, http)
  for (const { selector } of rules)
    if (!methods.some((method) => selects(selector, method)))
      throw new Error(`service configuration: the selector ${selector} selects no method`)
  return {
    mode,
    ruleFor: (method) => rules.findLast(({ selector }) => selects(selector, method)),
  }
}

/** A selector is the full name of a method, or ends in `*` for all below a name. */
function selects(selector: string, method: DescMethod): boolean {
  const name = `${method.parent.typeName}.${method.name}`
  return selector.endsWith('*') ? name.startsWith(selector.slice(0, -1)) : name === selector
}
