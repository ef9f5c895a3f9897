/** Whether this process should get calls, and if not, why. Every health check reads it. */
export interface Readiness {
  /** The problem of each check, by its name; '' if it has none. */
  checks(): Readonly<Record<string, string>>
  ready(): boolean
  /** Sets the problem of a check; '' if it has none. */
  set(check: string, problem: string): void
  /** Calls `changed` after each change of `ready`. Returns the function that unsubscribes it. */
  subscribe(changed: () => void): () => void
}

/**
 * Makes a Readiness with the given checks and their problems. It is ready while no check has one.
 */
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
