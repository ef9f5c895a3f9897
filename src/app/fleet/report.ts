import type { Logger } from 'pino'
import type { Report } from '../../fleet/report.ts'
import type { RegistryState } from '../../telemetry/metric/state.ts'
import type { Watch } from '../watch.ts'

interface List {
  instances: number
  /** When the list was last known to be the registry's; undefined while it is. */
  staleSince: number | undefined
}

/** Past so many keys with broken values, each is told again. */
const maxBroken = 1000

/**
 * Writes one line for each change of state, and counts for the metrics. A service is `looked_up`: the log
 * hides each `name`, as that of a person.
 */
export function fleetReport(
  kind: string,
  { log, rootSpan }: Pick<Watch, 'log' | 'rootSpan'>,
): { report: Report; state: RegistryState } {
  const lists = new Map<string, List>()
  const broken = new Set<string>()
  const announced = announcements(kind, log)

  function listOf(name: string): List {
    const list = lists.get(name) ?? { instances: 0, staleSince: undefined }
    lists.set(name, list)
    return list
  }

  const report: Report = {
    ...announced.report,
    listed(name, count) {
      const list = listOf(name)
      list.instances = count
      if (list.staleSince === undefined) return
      list.staleSince = undefined
      const facts = { registry: kind, looked_up: name, instances: count }
      log.info(facts, 'the registry lists the service again')
    },
    stale(name, problem) {
      const list = listOf(name)
      if (list.staleSince !== undefined) return
      list.staleSince = performance.now()
      const { instances } = list
      log.warn(
        { registry: kind, looked_up: name, instances, problem },
        `the last known list stays: ${problem}`,
      )
    },
    broken(key, problem) {
      if (broken.has(key)) return
      if (broken.size >= maxBroken) broken.clear()
      broken.add(key)
      log.warn({ registry: kind, key, problem }, 'an instance in the registry cannot be read')
    },
    connecting: (facts, connect) =>
      rootSpan({ name: `${kind}.connect`, facts, event: `${kind} registry created` }, connect),
  }
  return {
    report,
    state: { kind, ...announced.state, lists: () => Array.from(lists, ageOf) },
  }
}

function ageOf([name, { instances, staleSince }]: [string, List]) {
  const ageMs = staleSince === undefined ? 0 : performance.now() - staleSince
  return { name, instances, ageMs }
}

/** The part that is about this instance. */
function announcements(registry: string, log: Logger) {
  const states = new Map<string, 'announced' | 'lost' | 'withdrawn'>()
  const contested = new Set<string>()
  const attempts = new Map([
    ['ok', 0],
    ['failed', 0],
  ])
  const count = (result: string) => attempts.set(result, (attempts.get(result) ?? 0) + 1)

  return {
    report: {
      announced(format) {
        count('ok')
        if (states.get(format) === 'announced') return
        states.set(format, 'announced')
        log.info({ registry, format }, 'announced in the registry')
      },
      lost(format, problem) {
        count('failed')
        if (states.get(format) === 'lost') return
        states.set(format, 'lost')
        log.warn({ registry, format, problem }, `not announced, trying again: ${problem}`)
      },
      withdrawn(format) {
        states.set(format, 'withdrawn')
        log.info({ registry, format }, 'stopped announcing')
      },
      contested(format) {
        if (contested.has(format)) return
        contested.add(format)
        log.warn({ registry, format }, 'another process announces the same registry.id')
      },
    } satisfies Partial<Report>,
    state: {
      attempts,
      announced: () =>
        new Map(Array.from(states, ([format, state]) => [format, state === 'announced'])),
    },
  }
}
