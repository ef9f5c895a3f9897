/**
 * Who makes a call, for rules that depend on it. Two callers are the same if both `kind` and `id` are: a
 * token and an API key may have the same id.
 */
export interface Caller {
  readonly kind: string
  readonly id: string
  readonly scopes: ReadonlySet<string>
}
