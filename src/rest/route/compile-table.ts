import { matchRoute } from './match.ts'
import { buildTable, describe, maxLength, type Route, type RouteTable } from './table.ts'

/**
 * Compiles bindings into a trie. Throws for two bindings that match the same paths with the same
 * HTTP method, and for a binding that other bindings always win over: at run time nothing would
 * tell that such a binding is never used.
 */
export function compileTable<T>(routes: readonly Route<T>[]): RouteTable<T> {
  rejectUnreachable(buildTable(routes.map((route) => ({ ...route, target: route }))))
  return buildTable(routes)
}

/**
 * Throws for a route with `**` that no path reaches. Sample paths are made from each such template
 * and matched: a filler takes the place of its wildcards. The filler is longer than every literal,
 * so only wildcards accept it, and it stands for every value. A route that wins none of its samples
 * could only be reached through empty segments. A route without `**` needs no check: a route that
 * precedes it differs in a literal, or the two are ambiguous.
 */
function rejectUnreachable<T>(table: RouteTable<Route<T>>): void {
  const segments = table.routes.flatMap(({ template }) => template.segments)
  const literals = segments.map((segment) => (segment.kind === 'literal' ? segment.value : ''))
  const filler = 'x'.repeat(maxLength(literals) + 1)
  const lengths = maxLength(table.routes.map(({ template }) => template.segments)) + 2
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

function samplePath(route: Route<unknown>, filler: string, deepLength: number): string {
  const segments = route.template.segments.flatMap((segment) => {
    if (segment.kind === 'literal') return [encodeURIComponent(segment.value)]
    return Array<string>(segment.kind === 'deep' ? deepLength : 1).fill(filler)
  })
  const { verb } = route.template
  return `/${segments.join('/')}${verb === '' ? '' : `:${verb}`}`
}
