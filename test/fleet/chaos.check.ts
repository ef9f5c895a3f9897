// Run by `npm run verify -- chaos`: calls at half of what the instances can do, while instances are
// restarted, killed and frozen one at a time, and etcd goes away beside that. CHAOS_MS sets how long.
import { createClient } from '@connectrpc/connect'
import { test } from 'tap'
import { channelOf } from '../../src/client/channel.ts'
import { clientOf } from '../../src/client/client.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { randomFrom } from '../client/random.ts'
import { counted } from '../client/counted.ts'
import { startEtcd, withoutEtcd } from '../help/etcd.ts'
import { until } from '../help/until.ts'
import { capacityOf, paced, type Outcome } from './chaos/load.ts'
import { startFleet, troubleEtcd, troubleInstances } from './chaos/troubles.ts'
import { found } from './found.ts'

const chaosMs = Number(process.env.CHAOS_MS ?? 300_000)
const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 2 ** 31)
const timeoutMs = 10_000

function summary({ succeeded, failed, times }: Outcome, retries: Record<string, number>): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => `${sorted[Math.floor((sorted.length - 1) * share)]?.toFixed(0)} ms`
  const again = Object.entries(retries).map(([reason, count]) => `${reason} ${count}`)
  const slow = `p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`
  return `${succeeded} calls succeeded, ${failed.length} failed; ${slow}; tried again: ${again.join(', ')}`
}

test(
  'no idempotent call fails while instances and etcd come and go',
  { skip: withoutEtcd, timeout: chaosMs + 300_000 },
  async (t) => {
    const etcd = await startEtcd(t)
    const fleet = await startFleet(t, etcd, 3)
    await clientOf(User, `http://${fleet.places[0]?.grpc}`).createUser({
      name: 'Ann',
      email: 'a@example.org',
    })
    await fleet.listed()
    const discovery = found(t, etcd)
    const { metrics, counts } = counted()
    const options = { discovery, metrics, timeoutMs, hedge: { after: 'p95' as const } }
    const { transport, close, nodes } = channelOf('discovery:///user.service', options)
    t.teardown(close)
    const users = createClient(User, transport)
    const call = () => users.getUser({ id: 1n })
    // The code of new processes is slow.
    await capacityOf(call, 3000)
    const capacity = await capacityOf(call, 3000)
    const load = paced(capacity / 2, call)
    const stop = new AbortController()
    setTimeout(() => stop.abort(), chaosMs)
    const tell = (text: string) => {
      const at = ((performance.now() - load.startedAt) / 1000).toFixed(1)
      console.log(`${at.padStart(6)} s  ${text}`)
    }
    tell(`${capacity.toFixed(0)} calls a second are all that they can do; seed ${seed}`)
    const random = randomFrom(seed)
    const run = { signal: stop.signal, tell }
    await Promise.all([troubleInstances(fleet, random, run), troubleEtcd(etcd, random, run)])
    const names = () =>
      nodes()
        .map(({ address }) => address.name)
        .toSorted()
        .join()
    const expected = fleet.places.map(({ grpc }) => grpc).toSorted()
    await until('the client to know all instances', () => names() === expected.join())
    const before = expected.map(counts.succeeded)
    await until('calls at each', () =>
      expected.every((name, at) => counts.succeeded(name) > (before[at] ?? 0)),
    )
    await load.stop()
    const reasons = ['unsent', 'unavailable', 'hedge'] as const
    const retries = Object.fromEntries(reasons.map((reason) => [reason, counts.retried(reason)]))
    console.log(summary(load.outcome, retries))
    t.strictSame(
      load.outcome.failed.map(({ at, error }) => `${at.toFixed(1)} s: ${error.message}`),
      [],
    )
    t.ok(load.outcome.succeeded > 0)
  },
)
