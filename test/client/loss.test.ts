import tap, { test, type Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { channelOf, type ClientOptions } from '../../src/client/channel.ts'
import { clientOf } from '../../src/client/client.ts'
import { createClient } from '@connectrpc/connect'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { freshSqlitePath } from '../help/db.ts'
import { type ServiceProcess, startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'
import { callers } from './callers.ts'
import { counted } from './counted.ts'
import { listed } from './discovery.ts'

const enough = 300

const alive = new Set<ServiceProcess>()

/** Starts an instance of the service with a user 1, which ends with the file. */
async function instance(env: Record<string, string> = {}): Promise<void> {
  const database = { SQLITE_PATH: freshSqlitePath(tap), DRAIN_DELAY: '0s', TIMEOUT: '60s' }
  const running = await startProcess(tap, { ...database, ...env })
  await using users = clientOf(User, `direct:///${running.grpc}`, { timeoutMs: 60_000 })
  await users.createUser({ name: 'Ann', email: 'ann@example.org' })
  alive.add(running)
  void running.exit.then(() => alive.delete(running))
}

/** So many instances: those that the tests before have left, and new ones. */
async function instances(count: number): Promise<ServiceProcess[]> {
  const lacking = Math.max(count - alive.size, 0)
  await Promise.all(Array.from({ length: lacking }, () => instance()))
  return [...alive].slice(0, count)
}

/** Twenty callers of GetUser through a registry that lists all instances. */
async function load(t: Test, count: number, options: ClientOptions = {}, more: string[] = []) {
  const running = await instances(count)
  const addresses = running.map(({ grpc }) => grpc)
  const registry = listed([...addresses, ...more])
  const { metrics, counts } = counted()
  const { discovery } = registry
  const settings = { timeoutMs: 60_000, ...options, discovery, metrics }
  const { transport, close, nodes } = channelOf('discovery:///user.service', settings)
  const users = createClient(User, transport)
  const calls = callers(20, () => users.getUser({ id: 1n }))
  t.teardown(async () => {
    await calls.stop()
    await close()
  })
  await until('calls', () => calls.state.succeeded > enough)
  return {
    running,
    addresses,
    registry,
    counts,
    nodes,
    state: calls.state,
    stop: calls.stop,
    /** Waits for so many calls from now on, and ends. */
    ended: async (): Promise<void> => {
      const { succeeded } = calls.state
      await until('more calls', () => calls.state.succeeded > succeeded + enough)
      await calls.stop()
    },
  }
}

const texts = (errors: readonly Error[]) => [...new Set(errors.map(String))]

test('a node that is listed but does not listen costs no call and no budget', async (t) => {
  const dead = `127.0.0.1:${await freePort()}`
  const { state, counts, ended } = await load(t, 2, {}, [dead])
  await ended()
  t.strictSame(texts(state.failed), [])
  t.ok(counts.retried('unsent') > 0, `${counts.retried('unsent')} tries went there`)
  t.equal(counts.retried('unavailable'), 0)
  // The node is tried again and again, but rarely.
  t.ok(counts.tries(dead) < state.succeeded / 10, `${counts.tries(dead)} of ${state.succeeded}`)
})

test('a node that leaves the list and then ends costs no call', async (t) => {
  const { state, running, addresses, registry, ended } = await load(t, 2)
  registry.update(addresses.slice(1))
  const { succeeded } = state
  await until('calls without it', () => state.succeeded > succeeded + 50)
  running[0]?.kill('SIGTERM')
  t.equal(await running[0]?.exit, 0)
  await ended()
  t.strictSame(texts(state.failed), [])
})

test('a node that ends while it is listed costs no call', async (t) => {
  const { state, running, counts, ended } = await load(t, 2)
  running[0]?.kill('SIGTERM')
  t.equal(await running[0]?.exit, 0)
  await ended()
  t.strictSame(texts(state.failed), [])
  t.equal(counts.retried('unavailable'), 0, 'nothing was lost on the way')
})

test('a node that is killed costs no call without side effects', async (t) => {
  const { state, running, ended } = await load(t, 2)
  running[0]?.kill('SIGKILL')
  await running[0]?.exit
  await ended()
  t.strictSame(texts(state.failed), [])
})

test('a node that is killed costs only the open calls where none is repeated', async (t) => {
  const { state, running, ended } = await load(t, 2, { retry: { attempts: 0 } })
  running[0]?.kill('SIGKILL')
  await running[0]?.exit
  await ended()
  t.ok(state.failed.length <= 20, `${state.failed.length} calls failed`)
  t.match(
    state.failed,
    state.failed.map(() => ({ code: 14 })),
    'each is unavailable',
  )
})

test('a node that is back gets calls again', async (t) => {
  const port = await freePort()
  const { state, counts, nodes } = await load(t, 1, {}, [`127.0.0.1:${port}`])
  // Until then the port is anybody's: another test may have it for a moment.
  await until('an instance at the port', () =>
    instance({ GRPC_ADDR: `127.0.0.1:${port}` }).then(
      () => true,
      (err: Error) => {
        if (!err.message.includes('EADDRINUSE')) throw err
        return false
      },
    ),
  )
  await until('calls there', () => counts.succeeded(`127.0.0.1:${port}`) > 50)
  t.ok(nodes().every(({ nextDownMs }) => nextDownMs === 100))
  t.ok(state.succeeded > enough)
})

test('a node that is frozen holds no call back where calls are hedged', async (t) => {
  // On a busy machine many calls are slow, and each of them costs.
  const settings = { hedge: { after: 100 }, retry: { budget: 10_000 }, pingIntervalMs: 600_000 }
  const { running, counts, state, stop } = await load(t, 2, settings)
  running[0]?.kill('SIGSTOP')
  t.teardown(() => running[0]?.kill('SIGCONT'))
  const { succeeded } = state
  await until('calls', () => state.succeeded > succeeded + enough)
  // Those too that were open when it was frozen.
  await stop()
  t.strictSame(texts(state.failed), [])
  t.ok(counts.retried('hedge') > 0)
})
