import { setTimeout as sleep } from 'node:timers/promises'
import { Code, ConnectError } from '@connectrpc/connect'
import { test } from 'tap'
import { channelOf } from '../../src/client/channel.ts'
import { clientOf } from '../../src/client/client.ts'
import { fallback } from '../../src/client/fallback.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { until } from '../help/until.ts'
import { caught } from './callers.ts'
import { listed } from './discovery.ts'
import { answered, hangs, incoming, scripted } from './scripted.ts'

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'ok',
    (err: unknown) => Code[ConnectError.from(err).code],
  )

test('a call gets the minimum of its own time and of what the incoming call has left', async (t) => {
  for (const [given, own, limitMs, headers, expected] of [
    [undefined, 200_000, 6_000_000, {}, 200_000],
    [50_000, 200_000, 6_000_000, {}, 50_000],
    [500_000, 200_000, 6_000_000, {}, 500_000],
    [undefined, 200_000, 30_000, {}, 29_995],
    [undefined, 200_000, 30_000, { 'grpc-timeout': '10000m' }, 9995],
    [undefined, 200_000, 30_000, { 'connect-timeout-ms': '20000' }, 19_995],
    [undefined, 200_000, 30_000, { 'connect-timeout-ms': 'x' }, 29_995],
    [0, 200_000, 30_000, {}, 29_995],
    [200_000_000, 200_000, 200_000_000, {}, 99_999_999],
  ] as const) {
    const { users, asked } = scripted(t, () => 1n, {
      timeoutMs: own,
      incoming: () => incoming({ ...headers }, limitMs),
    })
    await users.getUser({ id: 1n }, given === undefined ? {} : { timeoutMs: given })
    const timeoutMs = asked[0]?.timeoutMs ?? 0
    t.ok(Number.isInteger(timeoutMs), 'whole milliseconds, as the headers have them')
    t.ok(timeoutMs <= expected && timeoutMs > expected - 9000, `${timeoutMs} for ${expected}`)
  }
  const { users, asked } = scripted(t, () => 1n, { timeoutMs: 0 })
  await users.getUser({ id: 1n })
  t.equal(asked[0]?.timeoutMs, undefined)
})

test('a call without any time left is not sent', async (t) => {
  const { users, asked } = scripted(t, () => 1n, { incoming: () => incoming({}, 5) })
  const err = await users.getUser({ id: 1n }).catch(caught)
  t.match(err, { code: Code.DeadlineExceeded })
  t.equal(asked.length, 0)
})

test('global metadata is passed on, local metadata is not, and the caller has the last word', async (t) => {
  const { users, asked } = scripted(t, () => 1n, {
    service: 'orders',
    headers: { 'x-tenant': '7', 'x-own': 'client' },
    incoming: () =>
      incoming({
        'x-md-global-region': 'eu',
        'x-md-global-lane': 'blue',
        'x-md-local-secret': 'no',
        'rpc-persist-user': '1',
        'rpc-transit-hop': 'no',
        authorization: 'no',
      }),
  })
  await users.getUser({ id: 1n }, { headers: { 'x-md-global-lane': 'green', 'x-own': 'call' } })
  t.strictSame(Object.fromEntries(asked[0]?.headers ?? []), {
    'x-md-service-name': 'orders',
    'x-md-global-region': 'eu',
    'x-md-global-lane': 'green',
    'rpc-persist-user': '1',
    'x-tenant': '7',
    'x-own': 'call',
  })
})

test('a call ends with the one that it is made for', async (t) => {
  const own = new AbortController()
  for (const options of [{}, { signal: own.signal }]) {
    const stop = new AbortController()
    const call = { ...incoming(), signal: stop.signal }
    const { users, asked } = scripted(t, hangs, { incoming: () => call })
    const result = codeOf(users.getUser({ id: 1n }, options))
    setImmediate(() => stop.abort())
    t.equal(await result, 'Canceled')
    t.equal(await codeOf(users.getUser({ id: 1n }, options)), 'Canceled')
    t.equal(asked.length, 1, 'and nothing is sent once it has ended')
  }
})

test('a second try begins beside a slow one, and the first answer counts', async (t) => {
  let given: string | undefined
  const { users, asked, counts } = scripted(
    t,
    async (asked) => {
      if (asked.number > 1) return 2n
      given = asked.host
      return hangs(asked)
    },
    { hedge: { after: 1 } },
  )
  t.equal((await users.getUser({ id: 1n })).id, 2n)
  t.strictSame(
    asked.map(({ host, signal }) => [host === given, signal?.aborted]),
    [
      [true, true],
      [false, false],
    ],
    'another node is asked, and the slow one is told to stop',
  )
  t.equal(counts.retried('hedge'), 1)
})

test('a call with side effects, or without a budget, gets no second try', async (t) => {
  const settings = { hedge: { after: 1 }, timeoutMs: 0 }
  const slow = () => new Promise<bigint>((resolve) => setTimeout(resolve, 30, 1n))
  const first = scripted(t, slow, settings)
  await first.users.createUser({ name: 'Ann', email: 'ann@example.org' })
  t.equal(first.asked.length, 1)
  const second = scripted(t, slow, { ...settings, retry: { budget: 0 } })
  await second.users.getUser({ id: 1n })
  t.equal(second.asked.length, 1)
})

test('a second try that the budget does not pay for begins when it does', async (t) => {
  const { users, counts } = scripted(t, (one) => (one.number === 1 ? hangs(one) : 1n), {
    hedge: { after: 1 },
    retry: { budget: 1 },
    timeoutMs: 60_000,
  })
  // The first of these takes the only token, and ten that succeed give it back.
  await users.getUser({ id: 1n })
  t.equal(counts.retried('hedge'), 1)
  const slow = scripted(t, (one) => (one.number <= 2 ? hangs(one) : 1n), {
    hedge: { after: 1 },
    retry: { budget: 1 },
    timeoutMs: 60_000,
  })
  const waiting = [1n, 2n].map((id) => slow.users.getUser({ id }))
  await Promise.race(waiting)
  t.equal(slow.counts.retried('hedge'), 1)
  for (let n = 0; n < 20; n += 1)
    await slow.users.createUser({ name: 'Ann', email: 'ann@example.org' })
  await Promise.all(waiting)
  t.equal(slow.counts.retried('hedge'), 2)
})

test('second tries of slow calls leave a quarter of the budget for calls that are lost', async (t) => {
  const { users, counts } = scripted(t, hangs, {
    hedge: { after: 1 },
    retry: { budget: 4 },
    timeoutMs: 0,
  })
  const stop = new AbortController()
  const call = () => users.getUser({ id: 1n }, { signal: stop.signal })
  const calls = Promise.allSettled(Array.from({ length: 10 }, call))
  await until('a second try', () => counts.retried('hedge') >= 3)
  await sleep(20)
  stop.abort()
  await calls
  t.equal(counts.retried('hedge'), 3)
})

test('a call fails only when both of its tries have', async (t) => {
  const { users, asked } = scripted(
    t,
    async ({ number }) => {
      if (number === 2) throw answered(Code.Internal)
      await new Promise((resolve) => setTimeout(resolve, 20))
      if (number === 1) return 1n
      throw answered(Code.NotFound)
    },
    { hedge: { after: 1 } },
  )
  t.equal((await users.getUser({ id: 1n })).id, 1n)
  t.equal(asked.length, 2)
})

test('a hedged call ends by what one node answers, and does not wait for one that hangs', async (t) => {
  for (const slow of [1, 2]) {
    const { users, asked } = scripted(
      t,
      async (one) => {
        if (one.number === slow) return hangs(one)
        await until('both tries', () => asked.length === 2)
        throw answered(Code.NotFound)
      },
      { hedge: { after: 1 }, timeoutMs: 0 },
    )
    t.equal(await codeOf(users.getUser({ id: 1n })), 'NotFound')
    t.equal(asked[slow - 1]?.signal?.aborted, true)
  }
})

test('a hedged call that its caller gives up ends at once, with all of its tries', async (t) => {
  const stop = new AbortController()
  const { users, asked } = scripted(
    t,
    (one) => {
      if (one.number === 2) setImmediate(() => stop.abort())
      return hangs(one)
    },
    { hedge: { after: 1 } },
  )
  t.equal(await codeOf(users.getUser({ id: 1n }, { signal: stop.signal })), 'Canceled')
  t.strictSame(
    asked.map(({ signal }) => signal?.aborted),
    [true, true],
  )
})

test('a method that fails is no longer called but for a probe, and others are', async (t) => {
  let fails = true
  const { users, asked, counts } = scripted(t, () => {
    if (fails) throw answered(Code.Internal)
    return 1n
  })
  for (let n = 0; n < 200; n += 1) await codeOf(users.getUser({ id: 1n }))
  t.ok(asked.length < 100, `${asked.length} of 200 were tried`)
  t.equal(counts.rejected(), 200 - asked.length)
  const rejections = Array.from({ length: 20 }, () => users.getUser({ id: 1n }).catch(caught))
  const rejected = (await Promise.all(rejections)).find(
    (each) => each instanceof ConnectError && each.code === Code.Unavailable,
  )
  t.match(rejected instanceof ConnectError && rejected.findDetails(ErrorInfoSchema), [
    { reason: 'CIRCUITBREAKER' },
  ])
  fails = false
  t.equal(await codeOf(users.createUser({ name: 'Ann', email: 'a@example.org' })), 'ok')
})

test('errors of callers do not open the breaker', async (t) => {
  const { users, asked } = scripted(t, () => {
    throw answered(Code.NotFound)
  })
  for (let n = 0; n < 100; n += 1) await codeOf(users.getUser({ id: 1n }))
  t.equal(asked.length, 100)
})

test('a caller may have an answer for the case of failure', async (t) => {
  const { users, counts } = scripted(t, () => {
    throw answered(Code.NotFound)
  })
  const seen: string[] = []
  const options = fallback(User.method.getUser, (error) => {
    seen.push(error.message)
    return { id: 9n, name: 'unknown' }
  })
  const reply = await users.getUser({ id: 1n }, options)
  t.match(reply, { $typeName: 'api.user.v1.GetUserReply', id: 9n, name: 'unknown', phone: '' })
  t.strictSame(seen, ['[not_found] no'])
  t.equal(counts.all(), 1)
  const rethrown = fallback(User.method.getUser, (error) => {
    throw error
  })
  t.equal(await codeOf(users.getUser({ id: 1n }, rethrown)), 'NotFound')
})

test('a call waits for the first list of nodes, until its time is over', async (t) => {
  const { discovery, update } = listed([])
  const { transport, close } = channelOf('discovery:///user.service', { discovery })
  t.teardown(close)
  await using users = clientOf(User, 'discovery:///user.service', { discovery })
  t.match(await users.getUser({ id: 1n }, { timeoutMs: 20 }).catch(caught), {
    code: Code.Unavailable,
    message: '[unavailable] no node of discovery:///user.service is known',
  })
  const stop = new AbortController()
  const canceled = codeOf(users.getUser({ id: 1n }, { signal: stop.signal }))
  stop.abort()
  t.equal(await canceled, 'Canceled')
  const waiting = codeOf(users.getUser({ id: 1n }, { timeoutMs: 60_000 }))
  update(['127.0.0.1:1'])
  // Nobody listens there, which is told by the connection and not by the deadline.
  t.equal(await waiting, 'Unavailable')
  t.ok(transport)
})

test('a client that was closed takes no more calls and watches nothing', async (t) => {
  const { discovery, update, watchers } = listed(['127.0.0.1:1'])
  const users = clientOf(User, 'discovery:///user.service', { discovery })
  t.equal(watchers(), 1)
  await users[Symbol.asyncDispose]()
  t.equal(watchers(), 0)
  update(['127.0.0.1:2'])
  t.equal(await codeOf(users.getUser({ id: 1n })), 'Unavailable')
})
