import { Code, ConnectError } from '@connectrpc/connect'
import { test, type Test } from 'tap'
import { virtualTime } from './virtual-time.ts'
import { callers } from './callers.ts'
import {
  type Asked,
  answered,
  broken,
  hangs,
  incoming,
  refused,
  reset,
  scripted,
} from './scripted.ts'

const user = { name: 'Ann', email: 'ann@example.org' }
const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'ok',
    (err: unknown) => Code[ConnectError.from(err).code],
  )

test('a call without side effects that is unavailable goes to another node', async (t) => {
  for (const failure of [answered(Code.Unavailable), reset()]) {
    const { users, asked, counts } = scripted(t, ({ number }) => {
      if (number === 1) throw failure
      return 7n
    })
    t.equal((await users.getUser({ id: 7n })).id, 7n)
    t.not(asked[0]?.host, asked[1]?.host)
    t.equal(counts.retried('unavailable'), 1)
    t.strictSame(counts.attempts(), [1, 2])
  }
})

test('a call that may have had an effect is not repeated', async (t) => {
  for (const failure of [answered(Code.Unavailable), reset()]) {
    const { users, asked } = scripted(t, () => {
      throw failure
    })
    t.equal(await codeOf(users.createUser(user)), 'Unavailable')
    t.equal(asked.length, 1)
  }
  const { users, asked } = scripted(
    t,
    ({ number }) => {
      if (number === 1) throw answered(Code.Unavailable)
      return 1n
    },
    { retry: { always: true, backoffMs: 1 } },
  )
  t.equal(await codeOf(users.createUser(user)), 'ok', 'unless the client is told to')
  t.equal(asked.length, 2)
})

test('a call that no node has begun is repeated whatever it does, and free of charge', async (t) => {
  const unsent = [
    refused(),
    broken(Code.Internal, { code: 'ERR_HTTP2_GOAWAY_SESSION' }),
    broken(Code.Unavailable, { code: 'ENOTFOUND', syscall: 'getaddrinfo' }),
    broken(Code.Internal, { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    new ConnectError('http/2 stream closed with error code REFUSED_STREAM (0x7)', Code.Unavailable),
    new ConnectError('Stream closed with error code NGHTTP2_REFUSED_STREAM', Code.Internal),
  ]
  for (const failure of unsent) {
    const { users, asked, counts } = scripted(
      t,
      ({ host }) => {
        if (host === 'a') throw failure
        return 1n
      },
      { retry: { budget: 0, attempts: 0 } },
    )
    for (let n = 0; n < 20; n += 1) t.equal(await codeOf(users.createUser(user)), 'ok')
    t.equal(asked.length, 20 + counts.retried('unsent'), failure.message)
  }
})

test('a call that no node takes ends after six tries as unavailable', async (t) => {
  const { users, asked, nodes } = scripted(t, () => {
    throw broken(Code.Internal, { code: 'ERR_HTTP2_GOAWAY_SESSION' })
  })
  t.equal(await codeOf(users.createUser(user)), 'Unavailable')
  t.equal(asked.length, 6)
  t.ok(nodes().every(({ downUntil }) => downUntil > 0))
})

test('other errors are not repeated', async (t) => {
  for (const code of [Code.Internal, Code.NotFound, Code.DeadlineExceeded, Code.Aborted]) {
    const { users, asked } = scripted(t, () => {
      throw answered(code)
    })
    t.equal(await codeOf(users.getUser({ id: 1n })), Code[code])
    t.equal(asked.length, 1)
  }
})

test('a call is repeated twice at most', async (t) => {
  const { users, asked } = scripted(t, () => {
    throw answered(Code.Unavailable)
  })
  t.equal(await codeOf(users.getUser({ id: 1n })), 'Unavailable')
  t.equal(asked.length, 3)
})

test('without a budget nothing is repeated', async (t) => {
  const { users, asked } = scripted(
    t,
    () => {
      throw answered(Code.Unavailable)
    },
    { retry: { budget: 3, backoffMs: 1 }, breaker: { enabled: false } },
  )
  for (let n = 0; n < 10; n += 1) await codeOf(users.getUser({ id: 1n }))
  t.equal(asked.length, 13)
})

test('what a node had open when it was lost costs one token together', async (t) => {
  const gate = Promise.withResolvers<never>()
  const settings = { retry: { budget: 1, backoffMs: 1 }, breaker: { enabled: false }, timeoutMs: 0 }
  const both = scripted(t, ({ host }) => (host === 'a' ? gate.promise : 1n), settings)
  const open = Array.from({ length: 50 }, () => codeOf(both.users.getUser({ id: 1n })))
  setTimeout(() => gate.reject(reset()), 5)
  t.strictSame(new Set(await Promise.all(open)), new Set(['ok']))
  const lost = both.asked.filter(({ host }) => host === 'a').length
  t.ok(lost > 1)
  t.equal(both.counts.retried('unavailable'), lost)

  const failing = () =>
    new Promise<never>((_resolve, reject) => setTimeout(() => reject(reset()), 5))
  const only = scripted(t, failing, settings, ['a'])
  const calls = Array.from({ length: 10 }, () => codeOf(only.users.getUser({ id: 1n })))
  t.strictSame(new Set(await Promise.all(calls)), new Set(['Unavailable']))
  t.equal(only.asked.length, 20, 'what was begun after that costs a token each')
})

test('a further try says so, and the service that is called does not multiply it', async (t) => {
  const failing = () => {
    throw answered(Code.Unavailable)
  }
  const first = scripted(t, failing)
  await codeOf(first.users.getUser({ id: 1n }))
  const told = first.asked.map(({ headers }) => headers.get('x-md-global-retry'))
  t.strictSame(told, [null, '1', '1'])
  const second = scripted(t, failing, { incoming: () => incoming({ 'x-md-global-retry': '1' }) })
  await codeOf(second.users.getUser({ id: 1n }))
  t.equal(second.asked.length, 1)
  t.equal(second.asked[0]?.headers.get('x-md-global-retry'), '1', 'nor does the one after it')
})

test('a lost peer is unavailable, and a canceled call stays canceled', async (t) => {
  const once = { retry: { attempts: 0 } }
  for (const failure of [
    reset(),
    new ConnectError('http/2 stream closed with error code CANCEL (0x8)', Code.Canceled),
    new ConnectError('PING timed out', Code.Unavailable),
    new ConnectError('Stream closed with error code NGHTTP2_ENHANCE_YOUR_CALM', Code.Internal),
    broken(Code.Internal, { code: 'ERR_HTTP2_SESSION_ERROR' }),
  ]) {
    const { users, nodes } = scripted(t, () => Promise.reject(failure), once)
    t.equal(await codeOf(users.getUser({ id: 1n })), 'Unavailable', failure.message)
    t.ok(
      nodes().some(({ downUntil }) => downUntil > 0),
      'its node is down',
    )
  }
  const stop = new AbortController()
  const { users, nodes } = scripted(t, (asked) => {
    setImmediate(() => stop.abort())
    return hangs(asked)
  })
  t.equal(await codeOf(users.getUser({ id: 1n }, { signal: stop.signal })), 'Canceled')
  t.ok(nodes().every(({ downUntil, inflight }) => downUntil === 0 && inflight === 0))
})

test('an error that the service has answered with keeps its code', async (t) => {
  for (const code of [Code.Canceled, Code.Aborted, Code.Internal]) {
    const { users, nodes } = scripted(t, () => {
      throw answered(code)
    })
    t.equal(await codeOf(users.getUser({ id: 1n })), Code[code])
    t.ok(nodes().every(({ downUntil }) => downUntil === 0))
  }
})

/**
 * Ten callers of three nodes for a second. An answer takes 5 to 15 ms, a tenth of those of one node 200 ms
 * longer. Gives the times of the calls and the share of further tries.
 */
async function stalling(t: Test, after: number | 'p95') {
  using time = virtualTime()
  const { now, pass, sleep } = time
  async function answer({ host }: Asked): Promise<bigint> {
    await sleep(5 + 10 * Math.random() + (host === 'c' && Math.random() < 0.1 ? 200 : 0))
    return 1n
  }
  // The better of two nodes would seldom be the one that stalls.
  const settings = { balancer: 'random', hedge: { after } } as const
  const { users, asked } = scripted(t, answer, settings, ['a', 'b', 'c'])
  const times: number[] = []
  const calls = callers(10, async () => {
    const begin = now()
    await users.getUser({ id: 1n })
    times.push(now() - begin)
  })
  await pass(1000)
  const ended = calls.stop()
  await pass(250)
  await ended
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), further: asked.length / times.length - 1 }
}

test('a node that stalls at random slows few calls where they are hedged, for few further tries', async (t) => {
  const { p50, p99 } = await stalling(t, 0)
  t.ok(p99 > 200 && p50 < 20, `without hedging: ${p50} and ${p99} ms`)
  for (const after of [20, 'p95'] as const) {
    const { p50, p95, p99, further } = await stalling(t, after)
    const delay = after === 'p95' ? p95 : after
    t.ok(p99 <= 1.5 * p50 + delay, `after ${after}: ${p50}, ${p95} and ${p99} ms`)
    t.ok(further > 0 && further <= 0.05, `${further} of the calls`)
  }
})
