import { keep } from './keep.ts'
import { changes } from './list.ts'
import type { Discovery, Instance } from './registry.ts'
import type { Report } from './report.ts'

interface Watching {
  /** Upper bound of the pause between two tries. */
  maxPauseMs: number
  report: Report
  /** Tells each list of a service until the signal aborts or the registry is lost, which it throws. */
  follow: (
    name: string,
    signal: AbortSignal,
    list: (instances: readonly Instance[]) => void,
  ) => Promise<unknown>
  /** Closes the connections of the registry. */
  closed?: () => void
}

/** A Discovery by one loop for each watch, which ends with its signal or when all is closed. */
export function discoveryOf({ maxPauseMs, report, follow, closed }: Watching): Discovery {
  const closing = new AbortController()
  const loops = new Set<Promise<void>>()

  async function watch(...[name, given, told]: Parameters<Discovery['watch']>): Promise<void> {
    const signal = AbortSignal.any([given, closing.signal])
    const list = changes(name, report, told)
    await keep({
      signal,
      maxPauseMs,
      attempt: (held) =>
        follow(name, signal, (instances) => {
          held()
          list(instances)
        }),
      failed: (err) => report.stale(name, messageOf(err)),
    })
  }

  return {
    watch(name, signal, told) {
      const loop = watch(name, signal, told)
      loops.add(loop)
      void loop.then(() => loops.delete(loop))
    },
    async close() {
      closing.abort()
      await Promise.all(loops)
      closed?.()
    },
  }
}

/** The cause of a failure for people. */
export function messageOf(err: unknown): string {
  if (!(err instanceof Error)) return String(err)
  // The error of fetch names its reason in its cause only.
  const { message, cause } = err
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}
