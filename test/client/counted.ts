import type { CallMetrics, NodeState, RetryReason, Try } from '../../src/client/observer.ts'

/** Metrics that a test reads. */
export function counted() {
  const tries: { one: Try; failed: boolean }[] = []
  const retries: RetryReason[] = []
  const rejections: string[] = []
  const readers = new Set<() => NodeState[]>()
  const metrics: CallMetrics = {
    ended: (one, _ms, error) => void tries.push({ one, failed: error !== undefined }),
    rejected: (operation) => void rejections.push(operation),
    retried: (reason) => void retries.push(reason),
    nodes(read) {
      readers.add(read)
      return () => void readers.delete(read)
    },
  }
  const at = (name: string) => tries.filter(({ one }) => one.address.name === name)
  const counts = {
    tries: (name: string) => at(name).length,
    succeeded: (name: string) => at(name).filter(({ failed }) => !failed).length,
    retried: (reason: RetryReason) => retries.filter((each) => each === reason).length,
    rejected: () => rejections.length,
    all: () => tries.length,
    attempts: () => tries.map(({ one }) => one.attempt),
    nodes: () => [...readers].flatMap((read) => read()),
  }
  return { metrics, counts }
}
