/** Whether this process should get calls, and if not, why: the one truth behind every health check. */
export interface Readiness {
  /** The checks by name, each with what is wrong; an empty text where nothing is. */
  checks(): Readonly<Record<string, string>>
  ready(): boolean
  /** Tells what is wrong with a check; an empty text: nothing. */
  set(check: string, problem: string): void
  /** Calls back after each change of `ready`. Gives the function that ends it. */
  subscribe(changed: () => void): () => void
}

export function readiness(initial: Record<string, string>): Readiness {
  const problems = new Map(Object.entries(initial))
  const subscribers = new Set<() => void>()
  const ready = () => [...problems.values()].every((problem) => problem === '')
  return {
    checks: () => Object.fromEntries(problems),
    ready,
    set(check, problem) {
      const before = ready()
      problems.set(check, problem)
      if (ready() !== before) for (const changed of subscribers) changed()
    },
    subscribe(changed) {
      subscribers.add(changed)
      return () => subscribers.delete(changed)
    },
  }
}
