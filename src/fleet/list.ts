import type { Instance } from './registry.ts'
import type { Report } from './report.ts'

/**
 * Passes the lists of one service on. An empty list is not passed on: when a registry has lost its
 * data, or all leases end during an outage, the instances are still there. Nor is a list that is equal
 * to the one before.
 */
export function changes(
  name: string,
  report: Report,
  told: (instances: readonly Instance[]) => void,
): (instances: readonly Instance[]) => void {
  let last = ''
  return function list(instances) {
    if (instances.length === 0) return report.stale(name, 'the registry lists no instance of it')
    report.listed(name, instances.length)
    const sorted = instances.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    const text = JSON.stringify(sorted)
    if (text === last) return
    told(sorted)
    // A list that could not be used is new when it comes again.
    last = text
  }
}
