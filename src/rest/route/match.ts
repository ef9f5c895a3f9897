import type { Route, RouteNode, RouteTable } from './table.ts'
import type { PathTemplate } from './template.ts'
import { isPlain, type UnescapeMode, unescapeMulti, unescapeSegment } from './unescape.ts'

/** The outcome of matching. `values` are decoded, in the order of the template's variables. */
export type MatchResult<T> =
  | { kind: 'route'; target: T; values: readonly string[] }
  /**
   * Templates match the path, but none with this HTTP method. The caller answers OPTIONS itself.
   */
  | { kind: 'method'; allow: string }
  | { kind: 'none' }
  /** A segment that a wildcard would take has a broken percent escape or invalid UTF-8. */
  | { kind: 'malformed' }

/** One way to read a path: with a verb split off the last segment, or without a verb. */
interface Reading {
  verb: string
  raw: readonly string[]
  /**
   * undefined for a segment that cannot be decoded: no literal equals it, but wildcards accept it.
   */
  decoded: readonly (string | undefined)[]
}

/**
 * Finds the route of a request. `rawPath` is the path as on the wire, without the query.
 *
 * Readings with a registered verb are tried first, the longest verb first, then the reading without
 * a verb. Within a reading, templates compare segment by segment: literal, then `*`, then `**` (the
 * one with the longest literal tail first). A template without a binding for the HTTP method is
 * skipped, so that the next best can answer. HEAD falls back to GET and then, as any method, to a
 * `*` binding of the same template.
 */
export function matchRoute<T>(
  table: RouteTable<T>,
  httpMethod: string,
  rawPath: string,
  mode: UnescapeMode = 'all-except-slash',
): MatchResult<T> {
  if (!rawPath.startsWith('/')) return { kind: 'none' }
  const allowed = new Set<string>()
  let malformed = false
  for (const reading of readings(table, rawPath)) {
    const before = allowed.size
    const route = findRoute(table.root, reading, httpMethod, allowed)
    if (route || allowed.size > before) malformed ||= reading.decoded.includes(undefined)
    if (route && !malformed)
      return { kind: 'route', target: route.target, values: capture(route.template, reading, mode) }
    if (route) break
  }
  if (malformed) return { kind: 'malformed' }
  return allowed.size > 0 ? { kind: 'method', allow: allowHeader(allowed) } : { kind: 'none' }
}

function allowHeader(methods: ReadonlySet<string>): string {
  const implied = methods.has('GET') ? ['HEAD', 'OPTIONS'] : ['OPTIONS']
  return [...new Set([...methods, ...implied])].sort().join(', ')
}

function readings<T>(table: RouteTable<T>, rawPath: string): Reading[] {
  const raw = rawPath === '/' ? [] : rawPath.slice(1).split('/')
  const decoded = isPlain(rawPath) ? raw : raw.map((segment) => unescapeSegment(segment))
  const end = raw.length - 1
  const last = raw[end] ?? ''
  const found: Reading[] = []
  // Only the end can be a registered verb, so a long segment of colons costs no more than a short
  // one.
  const from = Math.max(0, last.length - table.maxVerbLength - 1)
  for (let colon = last.indexOf(':', from); colon >= 0; colon = last.indexOf(':', colon + 1)) {
    const verb = last.slice(colon + 1)
    const stem = last.slice(0, colon)
    if (table.verbs.has(verb))
      found.push({
        verb,
        raw: raw.with(end, stem),
        decoded: decoded.with(end, unescapeSegment(stem)),
      })
  }
  found.push({ verb: '', raw, decoded })
  return found
}

interface Visit<T> {
  node: RouteNode<T>
  depth: number
  deep: boolean
}

/**
 * Walks the trie depth first, best branch first, and keeps the other branches for later. The trie
 * is a tree and a node at depth d is only entered after exactly d segments, so each node is visited
 * at most once: for every path, backtracking costs at most the number of nodes, which the templates
 * fix. `**` adds one backward walk over the literals of its tail and does not read the segments
 * between.
 */
function findRoute<T>(
  root: RouteNode<T>,
  { verb, decoded }: Reading,
  httpMethod: string,
  allowed: Set<string>,
): Route<T> | undefined {
  const pending: Visit<T>[] = []
  for (let visit: Visit<T> | undefined = { node: root, depth: 0, deep: false }; visit;) {
    const { node, depth, deep }: Visit<T> = visit
    const ends = deep ? tailNodes(node, decoded, depth) : depth === decoded.length ? [node] : []
    for (const end of ends) {
      const route = pickRoute(end.bindings.get(verb), httpMethod, allowed)
      if (route) return route
    }
    visit = (deep ? undefined : nextVisit(visit, decoded, pending)) ?? pending.pop()
  }
  return undefined
}

/** Gives the best branch at a node. The other branches go to `pending`, the best of them last. */
function nextVisit<T>(
  { node, depth }: Visit<T>,
  decoded: Reading['decoded'],
  pending: Visit<T>[],
): Visit<T> | undefined {
  if (node.deep) pending.push({ node: node.deep, depth, deep: true })
  if (depth === decoded.length) return undefined
  const segment = decoded[depth]
  const literal = segment === undefined ? undefined : node.literals.get(segment)
  const single = segment === '' ? undefined : node.single
  const next = depth + 1
  if (literal === undefined) return single && { node: single, depth: next, deep: false }
  if (single) pending.push({ node: single, depth: next, deep: false })
  return { node: literal, depth: next, deep: false }
}

/**
 * The nodes that the end of the path reaches in the reversed trie of the literals after `**`, the
 * node of the longest tail first.
 */
function tailNodes<T>(
  tails: RouteNode<T>,
  decoded: readonly (string | undefined)[],
  depth: number,
): RouteNode<T>[] {
  const found = [tails]
  for (let at = decoded.length - 1; at >= depth; at -= 1) {
    const segment = decoded[at]
    const next = segment === undefined ? undefined : found[0]?.literals.get(segment)
    if (!next) break
    found.unshift(next)
  }
  return found
}

function pickRoute<T>(
  methods: ReadonlyMap<string, Route<T>> | undefined,
  httpMethod: string,
  allowed: Set<string>,
): Route<T> | undefined {
  if (!methods) return undefined
  const get = httpMethod === 'HEAD' ? methods.get('GET') : undefined
  const route = methods.get(httpMethod) ?? get ?? methods.get('*')
  if (!route) for (const method of methods.keys()) allowed.add(method)
  return route
}

function capture(template: PathTemplate, { raw, decoded }: Reading, mode: UnescapeMode): string[] {
  if (template.variables.length === 0) return []
  const deepAt = template.segments.findIndex((segment) => segment.kind === 'deep')
  // Segments after the "**" are shifted by the number of segments that it takes beyond one.
  const shift = raw.length - template.segments.length
  const place = (index: number) => (deepAt < 0 || index <= deepAt ? index : index + shift)
  // The fallbacks only satisfy the types: matchRoute has answered undecodable segments by now.
  return template.variables.map(({ start, end, multi }) => {
    if (!multi) return decoded[place(start)] ?? ''
    return unescapeMulti(raw.slice(place(start), place(end)).join('/'), mode) ?? ''
  })
}
