import { fromJson, type DescMethod, type JsonValue } from '@bufbuild/protobuf'
import { type Http, type HttpRule, HttpSchema } from '../../gen/google/api/http_pb.ts'

/** HTTP rules outside the protos, in the form of Google's service configurations. */
export interface ServiceConfig {
  /**
   * google.api.Http in its JSON form, such as `{ rules: [{ selector: 'pkg.Svc.Get', get: '/v1/x' }]
   * }`.
   */
  http: JsonValue
  /** Whether a rule replaces the method's rule in the proto or is added to it. */
  mode: 'override' | 'append'
}

/** The rules of a service configuration, by method. */
export interface ConfiguredRules {
  readonly mode: ServiceConfig['mode']
  /** The last rule that selects the method; undefined if none does. */
  ruleFor(method: DescMethod): HttpRule | undefined
}

/** Reads the rules. Throws if they are malformed or if a selector selects none of the methods. */
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

/**
 * A selector is the full name of a method, or a prefix with `*` for all names that begin with it.
 */
function selects(selector: string, method: DescMethod): boolean {
  const name = `${method.parent.typeName}.${method.name}`
  return selector.endsWith('*') ? name.startsWith(selector.slice(0, -1)) : name === selector
}
