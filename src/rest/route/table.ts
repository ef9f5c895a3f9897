import type { PathTemplate } from './template.ts'

/** One binding on its way into the table. */
export interface Route<T> {
  /** Upper case, or '*' for any method. */
  httpMethod: string
  template: PathTemplate
  target: T
  /** Such as 'pkg.Service.Method', for messages. */
  label: string
}

/** A node of the trie; under `deep` the tails are spelled backwards, last segment first. */
export interface RouteNode<T> {
  readonly literals: ReadonlyMap<string, RouteNode<T>>
  readonly single: RouteNode<T> | undefined
  readonly deep: RouteNode<T> | undefined
  /** What ends here: verb ('' when none) -> HTTP method -> route. */
  readonly bindings: ReadonlyMap<string, ReadonlyMap<string, Route<T>>>
}

/** The compiled bindings of all services; not changed after compileTable. */
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
 * The places where a host router has to mount the table so that it sees each of its paths: the
 * first segments, such as '/v1', or just '/' when those of some template are open or would be
 * read in another way by the host.
 */
export function literalPrefixes(table: RouteTable<unknown>): string[] {
  const prefixes = table.routes.map((route) => literalPrefix(route.template))
  return prefixes.includes('/') ? ['/'] : [...new Set(prefixes)].sort()
}

function literalPrefix({ segments, verb }: PathTemplate): string {
  const first = segments[0]
  if (first?.kind !== 'literal' || !/^[\w.~-]+$/.test(first.value)) return '/'
  // "/v1:watch" lies neither at "/v1" nor below "/v1/". A "**" may be absent.
  const shortest = segments.filter((segment) => segment.kind !== 'deep').length
  return verb !== '' && shortest === 1 ? '/' : `/${first.value}`
}

function emptyNode<T>(): GrowingNode<T> {
  return { literals: new Map(), single: undefined, deep: undefined, bindings: new Map() }
}

/** The trie of all routes. Throws for two that match the same paths by the same method. */
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

/** Names a binding in a message for whoever wrote the rules. */
export function describe({ label, httpMethod, template }: Route<unknown>): string {
  return `${label} (${httpMethod} ${template.source})`
}

/** The length of the longest of `items`; 0 for none. */
export function maxLength(items: readonly { length: number }[]): number {
  return items.reduce((max, { length }) => Math.max(max, length), 0)
}
