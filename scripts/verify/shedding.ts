// Twice the calls that the service can serve, with and without shedding; some of them are critical.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { storedUsers } from '../../bench/overload/caller.ts'
import type { Order, Report } from '../../bench/overload/generator.ts'
import { run } from './command.ts'
import { startService, temporaryFolder } from './service.ts'

const root = join(import.meta.dirname, '../..')
const critical = ['x-md-global-priority: critical']
const warmUpSeconds = 4
/** So long the load must last before it counts as one. */
const settleSeconds = 15
const measureSeconds = 10
const slowestAllowedMs = 250

interface Overload {
  capacity: number
  critical: Report
  others: Report
}

/** A process that makes calls, so that neither waits for the other's. */
function generator() {
  const child: ChildProcess = fork(join(root, 'bench/overload/generator.ts'))
  return {
    async report(order: Order): Promise<Report> {
      child.send(order)
      const [report] = (await once(child, 'message')) as [Report]
      return report
    },
    [Symbol.dispose]: () => void child.kill(),
  }
}

/** Finds the calls per second that can be served, and then lets twice as many arrive. */
async function overload(service: { port: number; pid: number }): Promise<Overload> {
  using first = generator()
  using others = generator()
  const order = { ...service, kind: 'rest', connections: 1000 } as const
  const load = { concurrency: 64 }
  const found: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const { counts } = await others.report({ ...order, load, seconds: warmUpSeconds })
    found.push(counts.ok / warmUpSeconds)
  }
  const capacity = Math.max(...found)
  const both = async (seconds: number) =>
    Promise.all([
      first.report({
        ...order,
        connections: 100,
        headers: critical,
        load: { rate: capacity * 0.1 },
        seconds,
      }),
      others.report({ ...order, load: { rate: capacity * 1.9 }, seconds }),
    ])
  await both(settleSeconds)
  const [ofCritical, ofOthers] = await both(measureSeconds)
  return { capacity, critical: ofCritical, others: ofOthers }
}

async function measure(enabled: boolean): Promise<Overload> {
  using folder = temporaryFolder()
  const env = { SQLITE_PATH: join(folder.path, 'users.db'), SHED_ENABLED: String(enabled) }
  await run([process.execPath, 'src/main.ts', 'seed', '--users', `${storedUsers}`], {
    cwd: root,
    env,
  })
  await using service = await startService(env)
  const port = Number(service.http.split(':').at(-1))
  return await overload({ port, pid: service.pid })
}

function told({ capacity, critical: first, others }: Overload): string {
  const of = ({ counts: { ok, refused, failed }, gaveUp, p99Ms }: Report) =>
    `${ok} served, ${refused} refused, ${failed + gaveUp} failed, p99 ${Math.round(p99Ms)} ms`
  return `${Math.round(capacity)}/s: critical ${of(first)}; others ${of(others)}`
}

/** Fails where critical calls are refused or slow at twice the capacity. */
export async function shedding(): Promise<string> {
  const without = await measure(false)
  const result = await measure(true)
  const summary = `with shedding at ${told(result)}\nwithout at ${told(without)}`
  const { counts, gaveUp, p99Ms } = result.critical
  if (counts.refused + counts.failed + gaveUp > 0 || p99Ms > slowestAllowedMs)
    throw new Error(`critical calls suffer: ${summary}`)
  // On a machine that does other things the generators are slower than the service.
  if (result.others.counts.refused === 0)
    throw new Error(`the service was never busy, so run it on a machine of its own: ${summary}`)
  return summary
}
