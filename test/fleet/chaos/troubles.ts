import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { freshSqlitePath } from '../../help/db.ts'
import type { RunningEtcd } from '../../help/etcd.ts'
import { startProcess } from '../../help/process.ts'
import { until } from '../../help/until.ts'

const prefix = '/microservices/user.service/'

/** How the run goes on: tells of a trouble, and says when there is to be no further one. */
export interface Run {
  signal: AbortSignal
  tell: (text: string) => void
}

/** Instances of the service that announce themselves in etcd; one place each, whoever runs there. */
export async function startFleet(t: Test, etcd: RunningEtcd, size: number) {
  const database = freshSqlitePath(t)
  const start = (at: number, addr = '127.0.0.1:0') =>
    startProcess(t, {
      SQLITE_PATH: database,
      GRPC_ADDR: addr,
      TIMEOUT: '30s',
      DRAIN_DELAY: '1s',
      REGISTRY: 'etcd',
      ETCD_ENDPOINTS: etcd.url,
      REGISTRY_ID: `instance-${at}`,
      REGISTRY_TTL: '5s',
    })
  const places = await Promise.all(Array.from({ length: size }, (_, at) => start(at)))

  /** Resolves when etcd lists all that run, and none else. */
  async function listed(): Promise<void> {
    const expected = places.map(({ grpc }) => `grpc://${grpc}`).toSorted()
    await until('etcd to list all instances', async () => {
      const values = await etcd.values(prefix).catch(() => ({}))
      const found = Object.values(values).flatMap((value) => {
        const { endpoints } = JSON.parse(value) as { endpoints: string[] }
        return endpoints.filter((each) => each.startsWith('grpc:'))
      })
      return found.toSorted().join() === expected.join()
    })
  }

  async function replace(at: number, signal: NodeJS.Signals, addr?: string): Promise<void> {
    const old = places[at]
    if (!old) return
    old.kill(signal)
    await old.exit
    places[at] = await start(at, addr)
  }
  return { places, listed, replace }
}

type Fleet = Awaited<ReturnType<typeof startFleet>>

async function frozen(kill: (signal: NodeJS.Signals) => unknown, ms: number): Promise<void> {
  kill('SIGSTOP')
  await sleep(ms)
  kill('SIGCONT')
}

/** One instance after the other is restarted, killed or frozen; the next when all are there again. */
export async function troubleInstances(fleet: Fleet, random: () => number, run: Run) {
  const { places, listed, replace } = fleet
  const kinds = {
    'restarted elsewhere': (at: number) => replace(at, 'SIGTERM'),
    'restarted in its place': (at: number) => replace(at, 'SIGTERM', places[at]?.grpc),
    killed: (at: number) => replace(at, 'SIGKILL'),
    // Sometimes for longer than its lease.
    frozen: async (at: number) => {
      const place = places[at]
      if (place) await frozen(place.kill, 500 + 7000 * random())
    },
  }
  const order = Object.entries(kinds)
  for (let count = 0; !run.signal.aborted; count += 1) {
    const at = count % places.length
    const [name, trouble] = order[Math.floor(random() * order.length)] ?? order[0] ?? []
    run.tell(`instance ${at} is ${name}`)
    await trouble?.(at)
    await listed()
  }
}

/** etcd is killed or frozen again and again, for less and for more than the leases last. */
export async function troubleEtcd(etcd: RunningEtcd, random: () => number, run: Run) {
  const rest = (ms: number) => sleep(ms, undefined, { signal: run.signal }).catch(() => undefined)
  for (let count = 0; !run.signal.aborted; count += 1) {
    await rest(5000 + 15_000 * random())
    if (run.signal.aborted) return
    const ms = 1000 + 9000 * random()
    const isKilled = count % 2 === 0
    run.tell(`etcd is ${isKilled ? 'away' : 'frozen'} for ${(ms / 1000).toFixed(1)} s`)
    if (isKilled) {
      await etcd.stop()
      await sleep(ms)
      await etcd.start()
    } else {
      await frozen(etcd.signal, ms)
      await etcd.ready()
    }
  }
}
