import { test, type Test } from 'tap'
import { openRedis } from '../../../src/data/redis/client.ts'
import { redisQuota } from '../../../src/data/redis/quota.ts'
import { placeOf, startRedis, withoutRedis } from '../../help/redis.ts'
import { until } from '../../help/until.ts'

const needsRedis = { skip: withoutRedis }

/** Some limiters, each with a connection of its own. */
async function limiters(t: Test, port: number, count: number) {
  const clients = Array.from({ length: count }, () => openRedis({ place: placeOf(port) }))
  t.teardown(() => clients.forEach((client) => client.close()))
  for (const client of clients) await until('Redis', client.isUsable)
  return clients.map((client) => redisQuota(client, 'test'))
}

const signal = new AbortController().signal

test('limiters on one Redis let through what the rate allows, together', needsRedis, async (t) => {
  const { port } = await startRedis(t)
  const counting = await limiters(t, port, 2)
  const intervalMs = 10
  // What the rate allows in five seconds, so that no pause of the machine fills it.
  const rate = { intervalUs: intervalMs * 1000, burst: 500 }
  const calls: { sent: number; answered: number; allowed: boolean }[] = []
  let spentAt: number | undefined
  /** Calls until one is refused a second after all was spent: nothing is left then either. */
  async function call(count: (typeof counting)[number]): Promise<void> {
    for (let isOver = false; !isOver;) {
      const sent = performance.now()
      const { allowed } = await count('a', rate, signal)
      const answered = performance.now()
      calls.push({ sent, answered, allowed })
      if (!allowed) spentAt ??= answered
      isOver = !allowed && answered > (spentAt ?? answered) + 1000
    }
  }
  await Promise.all(counting.flatMap((count) => [call(count), call(count)]))
  // The clock is that of Redis, which has read it between the sending and the answer of each call.
  const allowed = calls.filter((each) => each.allowed)
  const spent = calls.find((each) => !each.allowed)
  const last = calls.at(-1)
  if (!last || !spent) throw new Error('no call is refused')
  const lastSent = Math.max(...calls.map(({ sent }) => sent))
  const afterwards = allowed.filter(({ answered }) => answered >= spent.sent).length
  const least = (lastSent - spent.answered) / intervalMs
  const most = (last.answered - Math.min(...calls.map(({ sent }) => sent))) / intervalMs
  t.ok(allowed.length >= rate.burst, `${allowed.length} of ${rate.burst}`)
  t.ok(afterwards >= least - 1, `${afterwards} of ${least} at least`)
  t.ok(allowed.length <= rate.burst + most + 1, `${allowed.length} of ${most} more at most`)
})

test(
  'what is left is told as in one process, and kept no longer than needed',
  needsRedis,
  async (t) => {
    const { port } = await startRedis(t)
    const [count] = await limiters(t, port, 1)
    const client = openRedis({ place: placeOf(port) })
    t.teardown(() => client.close())
    await until('Redis', client.isUsable)
    if (!count) throw new Error('no limiter')
    // An hour for each call: no time passes.
    const rate = { intervalUs: 3.6e9, burst: 2 }
    const near = (actual: number, hours: number) => Math.abs(actual / 3.6e9 - hours) < 0.01
    for (const [allowed, hours] of [
      [true, 1],
      [true, 2],
      [false, 2],
    ] as const) {
      const counted = await count('b', rate, signal)
      t.equal(counted.allowed, allowed)
      t.ok(near(counted.fullUs, hours), `${counted.fullUs} for ${hours} h`)
    }
    const read = { name: 'Ttl', operation: 'get' }
    const ttlMs = await client.call(read, (driver) => driver.pttl('quota:test:b'))
    t.ok(near(ttlMs * 1000, 2), `kept for ${ttlMs} ms`)
    // What something else has written there counts as nothing.
    await client.call(read, (driver) => driver.set('quota:test:c', 'x'))
    t.equal((await count('c', rate, signal)).allowed, true)
  },
)
