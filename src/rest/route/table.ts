import { matchRoute } from './match.ts'
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
  readonly longestVerb: number
}

interface GrowingNode<T> {
  literals: Map<string, GrowingNode<T>>
  single: GrowingNode<T> | undefined
  deep: GrowingNode<T> | undefined
  bindings: Map<string, Map<string, Route<T>>>
}

/**
 * Compiles bindings into a trie. Two bindings that match the same paths by the same method, and a
 * binding that others always come before, are refused here: at run time the loser would be silent.
 */
export function compileTable<T>(routes: readonly Route<T>[]): RouteTable<T> {
  refuseUnreachable(build(routes.map((route) => ({ ...route, target: route }))))
  return build(routes)
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

function build<T>(routes: readonly Route<T>[]): RouteTable<T> {
  const root = emptyNode<T>()
  for (const route of routes) addRoute(root, route)
  const verbs = new Set(routes.map((route) => route.template.verb).filter((verb) => verb !== ''))
  return { root, routes, verbs, longestVerb: longest([...verbs]) }
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

function describe({ label, httpMethod, template }: Route<unknown>): string {
  return `${label} (${httpMethod} ${template.source})`
}

/**
 * Sends each route with a `**` the paths made for it, with a filler in the place of wildcards that
 * is no literal of any template; only wildcards accept it, so it stands for every value. A route
 * that wins none of them is never reached, save perhaps through empty segments. A route without
 * `**` needs no check: what comes before it differs in a literal or is ambiguous.
 */
function refuseUnreachable<T>(table: RouteTable<Route<T>>): void {
  const segments = table.routes.flatMap(({ template }) => template.segments)
  const literals = segments.map((segment) => (segment.kind === 'literal' ? segment.value : ''))
  const filler = 'x'.repeat(longest(literals) + 1)
  const lengths = longest(table.routes.map(({ template }) => template.segments)) + 2
  for (const { target: route } of table.routes) {
    if (!route.template.segments.some((segment) => segment.kind === 'deep')) continue
    const winners = new Set<Route<T>>()
    for (let length = 0; length < lengths && !winners.has(route); length += 1) {
      const result = matchRoute(table, route.httpMethod, samplePath(route, filler, length))
      if (result.kind === 'route') winners.add(result.target)
    }
    if (winners.has(route)) continue
    const others = [...winners].map(describe).join(', ')
    throw new Error(`unreachable: ${describe(route)} always comes after ${others}`)
  }
}

function longest(items: readonly { length: number }[]): number {
  return items.reduce((most, { length }) => Math.max(most, length), 0)
}

function samplePath(route: Route<unknown>, filler: string, deepLength: number): string {
  const segments = route.template.segments.flatMap((segment) => {
    if (segment.kind === 'literal') return [encodeURIComponent(segment.value)]
    return Array<string>(segment.kind === 'deep' ? deepLength : 1).fill(filler)
  })
  const { verb } = route.template
  return `/${segments.join('/')}${verb === '' ? '' : `:${verb}`}`
}
