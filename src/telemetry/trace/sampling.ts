/** How requests are chosen for recording. */
export interface SamplingSettings {
  /** Whether the caller's decision counts. */
  parentBased: boolean
  ratio: number
  /** Ratios by operation, route or path with `*`; the first that fits counts. */
  rules: readonly (readonly [pattern: string, ratio: number])[]
  /** Whether requests that were not chosen are recorded too, to be kept when they fail or are slow. */
  keep: boolean
}

/** The facts that the decision depends on. */
export interface SamplingFacts {
  /** The caller's decision; undefined when it sent none. */
  parent: boolean | undefined
  priority: boolean
  operation: string
  /** Template of the path, or the path where there is none. */
  route: string
}

/** record: export it. hold: record it, and decide at its end (tail sampling). none: build no span. */
export type Verdict = 'record' | 'hold' | 'none'

/** Decides for one request, at its start. */
export type Sampling = (facts: SamplingFacts) => Verdict

interface Rule {
  matches: (text: string) => boolean
  ratio: number
}

/**
 * Makes the decision of the start: priority, then the caller, then the first rule, then the ratio. A
 * rule of 0 excludes what it matches from `keep` as well. `random` gives a number from 0 to 1.
 */
export function sampling(settings: SamplingSettings, random: () => number = Math.random): Sampling {
  const { parentBased, ratio, keep } = settings
  const rules = settings.rules.map(([pattern, ratio]) => ({ matches: wildcard(pattern), ratio }))
  const ruleOf = remembered((operation, route) => find(rules, operation, route))
  return function decide({ parent, priority, operation, route }) {
    if (priority) return 'record'
    const rule = ruleOf(operation, route)
    if (parentBased && parent !== undefined ? parent : random() < (rule?.ratio ?? ratio))
      return 'record'
    return keep && rule?.ratio !== 0 ? 'hold' : 'none'
  }
}

/** The decision by settings that can be replaced while requests are decided. */
export function changeableSampling(settings: SamplingSettings) {
  let current = sampling(settings)
  return {
    decide: (facts: SamplingFacts) => current(facts),
    replace(next: SamplingSettings): void {
      current = sampling(next)
    },
  }
}

function find(rules: readonly Rule[], operation: string, route: string): Rule | undefined {
  return rules.find(({ matches }) => matches(operation) || matches(route))
}

/** Remembers the rule of each operation. Paths without one are unbounded, and are not remembered. */
function remembered(look: (operation: string, route: string) => Rule | undefined) {
  const known = new Map<string, Map<string, Rule | undefined>>()
  return function ruleOf(operation: string, route: string): Rule | undefined {
    if (operation === '') return look(operation, route)
    // One key of both would be a new text for each request.
    const byRoute = known.get(operation) ?? new Map<string, Rule | undefined>()
    if (byRoute.has(route)) return byRoute.get(route)
    const rule = look(operation, route)
    known.set(operation, byRoute.set(route, rule))
    return rule
  }
}

/** `*` stands for any characters, none included. */
function wildcard(pattern: string): (text: string) => boolean {
  const source = pattern.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'))
  const expression = new RegExp(`^${source.join('.*')}$`, 's')
  return (text) => text !== '' && expression.test(text)
}
