import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { storedUsers } from '../../bench/overload/caller.ts'
import type { Order, Report } from '../../bench/overload/generator.ts'
import { type Sample, readSamples } from '../../test/help/exposition.ts'
import { run } from './command.ts'
import { startService, temporaryFolder } from './service.ts'

/** What became of critical calls, a tenth of what the service can serve, and of others. */
export interface Load {
  critical: Report
  others: Report
}

/** The operation that is called, as metrics have it. */
export const operation = '/api.user.v1.User/ListUsers'

const root = join(import.meta.dirname, '../..')
/** A call that costs the service much more than the generators, or they would be the slow ones. */
const call = { kind: 'rest', target: '/v1/users?page_size=100' } as const
const criticalShare = 0.1
/** So many at once keep the service busy, and none of them waits long. */
const concurrency = 16
const seconds = 6
/** So long a load must last before the service is taken for busy. */
const rampSeconds = 5

/** Lets a generator go before the service, where this process may: it computes little, and times much. */
function goFirst(pid: number | undefined): void {
  try {
    setPriority(pid ?? 0, -10)
  } catch {
    // Its latencies are longer by the time that it waits for a core.
  }
}

/** A process that makes calls, so that neither waits for the other's. */
function generator(order: Pick<Order, 'port' | 'pid' | 'connections' | 'headers'>) {
  const child: ChildProcess = fork(join(root, 'bench/overload/generator.ts'))
  const gone = new AbortController()
  child.once('exit', (code, by) => gone.abort(new Error(`a generator ended by ${by ?? code}`)))
  const sent: Report[] = []
  goFirst(child.pid)
  return {
    sent,
    async report(load: Order['load']) {
      const time = { seconds, rampSeconds, byServiceTime: true }
      child.send({ ...call, ...order, ...time, load } satisfies Order)
      const [report] = (await once(child, 'message', { signal: gone.signal })) as [Report]
      sent.push(report)
      return report
    },
    [Symbol.dispose]: () => void child.kill(),
  }
}

/** Starts a service with stored users, and what calls it. All of it ends when disposed of. */
export async function loadedService(settings: Record<string, string>) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(temporaryFolder())
  // The deadline is in real time, and so is the average of how busy the service is.
  const fixed = { TIMEOUT: '30s', SHED_CPU: '0.5' }
  const env = { ...fixed, ...settings, SQLITE_PATH: join(folder.path, 'users.db') }
  const seed = ['src/start.js', 'seed', '--users', `${storedUsers}`]
  await run([process.execPath, ...seed], { cwd: root, env })
  const service = stack.use(await startService(env))
  const at = { port: Number(service.http.split(':').at(-1)), pid: service.pid }
  const headers = ['x-md-global-priority: critical']
  const critical = stack.use(generator({ ...at, headers, connections: 100 }))
  const others = stack.use(generator({ ...at, connections: 1000 }))
  const kept = stack.move()
  /** Calls that are served in each second that the service computes. */
  let capacity = 300

  return {
    /** Lets as many calls come as are served. */
    async once(): Promise<Load> {
      const [first, rest] = await Promise.all([
        critical.report({ rate: capacity * criticalShare }),
        others.report({ concurrency }),
      ])
      capacity = (first.counts.ok / first.clockMs + rest.counts.ok / rest.clockMs) * 1000
      return { critical: first, others: rest }
    },
    /** Lets twice as many come. */
    async twice(): Promise<Load> {
      const [first, rest] = await Promise.all([
        critical.report({ rate: capacity * criticalShare }),
        others.report({ rate: capacity * (2 - criticalShare) }),
      ])
      return { critical: first, others: rest }
    },
    /** What all calls were that were sent. */
    sent: () => [...critical.sent, ...others.sent].map((report) => report.sent),
    async samples(): Promise<Sample[]> {
      return readSamples(await (await fetch(`http://${service.metrics}/metrics`)).text())
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
