import type { PathTemplate } from './template.ts'

/** One binding and the target that a matching request reaches. */
export interface Route<T> {
  /** Upper case, or '*' for any method. */
  httpMethod: string
  template: PathTemplate
  target: T
  /** The method in error messages, such as 'pkg.Service.Method'. */
  label: string
}

/**
 * A node of the trie. Below `deep`, the segments after `**` are stored backwards, the last first.
 */
export interface RouteNode<T> {
  readonly literals: ReadonlyMap<string, RouteNode<T>>
  readonly single: RouteNode<T> | undefined
  readonly deep: RouteNode<T> | undefined
  /** Routes that end at this node: verb ('' if none) -> HTTP method -> route. */
  readonly bindings: ReadonlyMap<string, ReadonlyMap<string, Route<T>>>
}

/** The compiled bindings of all services. They do not change after compileTable. */
export interface RouteTable<T> {
  readonly root: RouteNode<T>
  readonly routes: readonly Route<T>[]
  readonly verbs: ReadonlySet<string>
  readonly maxVerbLength: number
}

interface GrowingNode<T> {
  literals: Map<string, GrowingNode<T>>
  single: GrowingNode<T> | undefined
  deep: GrowingNode<T> | undefined
  bindings: Map<string, Map<string, Route<T>>>
}

/**
 * The prefixes at which a host router must mount the table for it to see each of its paths: first
 * segments such as '/v1'. Only '/' if some template begins with a wildcard, or with a segment that
 * the host would decode or split in another way.
 */
export function literalPrefixes(table: RouteTable<unknown>): string[] {
  const prefixes = table.routes.map((route) => literalPrefix(route.template))
  return prefixes.includes('/') ? ['/'] : [...new Set(prefixes)].sort()
}

function literalPrefix({ segments, verb }: PathTemplate): string {
  const first = segments[0]
  if (first?.kind !== 'literal' || !/^[\w.~-]+$/.test(first.value)) return '/'
  // "/v1:watch" is neither "/v1" nor below "/v1/". A "**" may match no segment.
  const minSegments = segments.filter((segment) => segment.kind !== 'deep').length
  return verb !== '' && minSegments === 1 ? '/' : `/${first.value}`
}

function emptyNode<T>(): GrowingNode<T> {
  return { literals: new Map(), single: undefined, deep: undefined, bindings: new Map() }
}

/** The trie of all routes. Throws for two that match the same paths with the same HTTP method. */
export function buildTable<T>(routes: readonly Route<T>[]): RouteTable<T> {
  const root = emptyNode<T>()
  for (const route of routes) addRoute(root, route)
  const verbs = new Set(routes.map((route) => route.template.verb).filter((verb) => verb !== ''))
  return { root, routes, verbs, maxVerbLength: maxLength([...verbs]) }
}

function addRoute<T>(root: GrowingNode<T>, route: Route<T>): void {
  const { segments, verb } = route.template
  const deepAt = segments.findIndex((segment) => segment.kind === 'deep')
  const head = deepAt < 0 ? segments : segments.slice(0, deepAt + 1)
  const tail = deepAt < 0 ? [] : segments.slice(deepAt + 1).toReversed()
  let node = root
  for (const segment of [...head, ...tail]) {
    if (segment.kind === 'literal') node = literalChild(node, segment.value)
    else node = node[segment.kind] ??= emptyNode()
  }
  const methods = node.bindings.get(verb) ?? new Map<string, Route<T>>()
  const other = methods.get(route.httpMethod)
  if (other)
    throw new Error(`ambiguous: ${describe(route)} and ${describe(other)} match the same paths`)
  node.bindings.set(verb, methods.set(route.httpMethod, route))
}

function literalChild<T>(node: GrowingNode<T>, value: string): GrowingNode<T> {
  const child = node.literals.get(value) ?? emptyNode()
  node.literals.set(value, child)
  return child
}

/** Names a binding in error messages to the author of the rules. */
export function describe({ label, httpMethod, template }: Route<unknown>): string {
  return `${label} (${httpMethod} ${template.source})`
}

/** The length of the longest of `items`; 0 for none. */
export function maxLength(items: readonly { length: number }[]): number {
  return items.reduce((max, { length }) => Math.max(max, length), 0)
}
