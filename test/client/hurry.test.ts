import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import { test } from 'tap'
import { channelOf } from '../../src/client/channel.ts'
import { Health } from '../../src/gen/health/v1/health_pb.ts'
import { callers, caught } from './callers.ts'
import { counted } from './counted.ts'
import { answered, type Asked, incoming, type Script, scripted } from './scripted.ts'
import { virtualTime } from './virtual-time.ts'

const late = () => new ConnectError('the time is over', Code.DeadlineExceeded)

/** Fails so long before the end of a call's time. */
const failing =
  (error: ConnectError, beforeMs = 0) =>
  async ({ timeoutMs = 0 }: Asked) => {
    await new Promise((resolve) => setTimeout(resolve, timeoutMs - beforeMs))
    throw error
  }

/** A client in a process that gives a call a second, whose callers may want it sooner. */
function hurried(t: Parameters<typeof scripted>[0], script: Script, hosts = ['a']) {
  const callersMs = { current: 40 }
  const of = () => incoming({ 'connect-timeout-ms': `${callersMs.current}` })
  return { callersMs, ...scripted(t, script, { incoming: of }, hosts) }
}

test('a caller in a hurry does not close a method to the others', async (t) => {
  using time = virtualTime()
  const failures = [
    failing(late()),
    failing(answered(Code.DeadlineExceeded)),
    // As a node whose own calls had less time.
    failing(answered(Code.Unavailable), 10),
  ]
  for (const script of failures) {
    let fails = true
    const { users, callersMs, counts } = hurried(t, (asked) => (fails ? script(asked) : 1n))
    const open = callers(10, () => users.getUser({ id: 1n }))
    await time.pass(500)
    open.state.isStopped = true
    await time.pass(50)
    await open.stop()
    fails = false
    callersMs.current = 1000
    for (let n = 0; n < 50; n += 1) await users.getUser({ id: 1n })
    t.equal(counts.rejected(), 0)
    t.ok(open.state.failed.length > 50)
  }
})

test('the time of the process itself, and that of a node, count as failures', async (t) => {
  using time = virtualTime()
  for (const [ms, script] of [
    [1000, failing(late())],
    [950, failing(late())],
    [40_000, failing(late())],
    [500, failing(answered(Code.DeadlineExceeded), 400)],
  ] as const) {
    const { users, callersMs, counts } = hurried(t, script)
    callersMs.current = ms
    const open = callers(30, () => users.getUser({ id: 1n }))
    await time.pass(1100)
    open.state.isStopped = true
    await time.pass(1100)
    await open.stop()
    t.ok(counts.rejected() > 0, `${ms}`)
  }
})

test('a node that hangs is avoided, however little time its callers have', async (t) => {
  using time = virtualTime()
  const script: Script = async (asked) => {
    if (asked.host === 'hangs') return failing(late())(asked)
    await time.sleep(20)
    return 1n
  }
  const { users, asked } = hurried(t, script, ['works', 'hangs'])
  const open = callers(10, () => users.getUser({ id: 1n }))
  await time.pass(2000)
  const before = asked.length
  await time.pass(4000)
  const hosts = asked.slice(before).map(({ host }) => host)
  t.ok(hosts.length > 1000)
  t.ok(hosts.filter((host) => host === 'hangs').length < hosts.length / 100, `${hosts.length}`)
  open.state.isStopped = true
  await time.pass(50)
  await open.stop()
})

test('a stream that a caller in a hurry opens closes its method to nobody', async (t) => {
  const { metrics, counts } = counted()
  const state = { ms: 5 }
  const stream = () => Promise.reject(late())
  const { transport, close } = channelOf('direct:///a:1', {
    metrics,
    incoming: () => ({ ...incoming({ 'connect-timeout-ms': `${state.ms}` }), limitAt: undefined }),
    protocols: { grpc: () => ({ transport: { stream } as unknown as Transport, close() {} }) },
  })
  t.teardown(close)
  const watching = async (timeoutMs: number): Promise<void> => {
    for await (const _ of createClient(Health, transport).watch({}, { timeoutMs }));
  }
  state.ms = 20
  for (let n = 0; n < 50; n += 1) t.ok(await watching(60_000).catch(caught))
  t.equal(counts.rejected(), 0)
  state.ms = 60_000
  for (let n = 0; n < 50; n += 1) await watching(10).catch(caught)
  t.ok(counts.rejected() > 0, 'unless the time is its own')
})
