import type { Discovery, Instance } from '../../src/fleet/registry.ts'
import type { Report } from '../../src/fleet/report.ts'
import { until } from '../help/until.ts'

/** A report that keeps what it is told, one text each. */
export function reported() {
  const told: string[] = []
  const report: Report = {
    announced: (format) => void told.push(`announced ${format}`),
    lost: (format, problem) => void told.push(`lost ${format}: ${problem}`),
    withdrawn: (format) => void told.push(`withdrawn ${format}`),
    contested: (format) => void told.push(`contested ${format}`),
    listed: (name, count) => void told.push(`listed ${name}: ${count}`),
    stale: (name, problem) => void told.push(`stale ${name}: ${problem}`),
    broken: (key, problem) => void told.push(`broken ${key}: ${problem}`),
    connecting(facts, connect) {
      told.push(`connecting ${JSON.stringify(facts)}`)
      return connect()
    },
  }
  return {
    report,
    told,
    /** Resolves when so many texts match. */
    says: (pattern: RegExp, count = 1) =>
      until(`the report to say ${pattern}`, () => {
        return told.filter((text) => pattern.test(text)).length >= count
      }),
  }
}

/** The lists that a discovery tells. */
export function follow(discovery: Discovery, name: string) {
  const lists: (readonly Instance[])[] = []
  const stop = new AbortController()
  discovery.watch(name, stop.signal, (instances) => lists.push(instances))
  const endpoints = () => (lists.at(-1) ?? []).flatMap(({ endpoints }) => endpoints)
  return {
    lists,
    stop: () => stop.abort(),
    /** Resolves when these are the endpoints of the last list. */
    finds: (...wanted: string[]) =>
      until(`the list ${wanted.join()}`, () => endpoints().join() === wanted.join()),
  }
}
