import { Code, createClient } from '@connectrpc/connect'
import { test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { channelOf } from '../../src/client/channel.ts'
import { ServerReflection } from '../../src/gen/grpc/reflection/v1/reflection_pb.ts'
import { Health } from '../../src/gen/health/v1/health_pb.ts'
import { freshSqlitePath } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'
import { caught } from './callers.ts'
import { counted } from './counted.ts'
import { hop } from './hop.ts'

const nobody = { users: () => ({}) }

/** Runs until every first choice was the dead node once. */
const often = 20

test('a stream is opened at another node where one cannot be reached', async (t) => {
  const { grpc } = await hop(t, nobody)
  const dead = `127.0.0.1:${await freePort()}`
  const { metrics, counts } = counted()
  for (const protocol of ['grpc', 'connect'] as const) {
    const target = `direct:///${dead},${grpc}`
    const { transport, close, nodes } = channelOf(target, { protocol, metrics, balancer: 'random' })
    for (let n = 0; n < often; n += 1) {
      const stop = new AbortController()
      const watch = createClient(Health, transport).watch({}, { signal: stop.signal })
      for await (const { status } of watch) {
        t.equal(status, 1)
        break
      }
      stop.abort()
      t.ok(nodes().every(({ streams }) => streams === 0))
      // The dead node is asked again at once.
      for (const node of nodes()) node.downUntil = 0
    }
    async function* names() {
      yield { messageRequest: { case: 'listServices' as const, value: '' } }
    }
    for await (const { messageResponse } of createClient(
      ServerReflection,
      transport,
    ).serverReflectionInfo(names()))
      t.equal(messageResponse.case, 'listServicesResponse')
    await close()
  }
  t.ok(counts.retried('unsent') > 0)
})

test('a stream whose node is lost fails as unavailable and is not opened again', async (t) => {
  const { grpc, kill } = await startProcess(t, { SQLITE_PATH: freshSqlitePath(t) })
  const { metrics, counts } = counted()
  const { transport, close, nodes } = channelOf(`direct:///${grpc}`, { metrics })
  t.teardown(close)
  const seen: number[] = []
  async function watching(): Promise<void> {
    for await (const { status } of createClient(Health, transport).watch({})) {
      seen.push(status)
      kill('SIGKILL')
    }
  }
  t.match(await watching().catch(caught), { code: Code.Unavailable })
  t.strictSame(seen, [1])
  t.equal(counts.all(), 1)
  t.match(nodes(), [{ streams: 0, nextDownMs: 200 }])
})

test('a stream that its caller ends is canceled, and its node stays up', async (t) => {
  const { grpc } = await hop(t, nobody)
  const { transport, close, nodes } = channelOf(`direct:///${grpc}`)
  t.teardown(close)
  const stop = new AbortController()
  async function watching(): Promise<void> {
    const { signal } = stop
    for await (const _ of createClient(Health, transport).watch({}, { signal })) stop.abort()
  }
  t.match(await watching().catch(caught), { code: Code.Canceled })
  t.match(nodes(), [{ streams: 0, downUntil: 0 }])
})

test('a stream has the deadline of its caller, and none of its own', async (t) => {
  const { grpc } = await hop(t, nobody)
  const { transport, close } = channelOf(`direct:///${grpc}`, { timeoutMs: 1 })
  t.teardown(close)
  const health = createClient(Health, transport)
  async function watching(): Promise<void> {
    for await (const { status } of health.watch({}, { timeoutMs: 300 })) t.equal(status, 1)
  }
  t.match(await watching().catch(caught), { code: Code.DeadlineExceeded })
})

test('closing a channel waits for the streams that end in time', async (t) => {
  const { grpc } = await hop(t, nobody)
  const { transport, close } = channelOf(`direct:///${grpc}`, { drainMs: 60_000 })
  const stop = new AbortController()
  const order: string[] = []
  async function watching(): Promise<void> {
    for await (const _ of createClient(Health, transport).watch({}, { signal: stop.signal }))
      order.push('message')
  }
  const watched = watching().catch(() => void order.push('stream'))
  await until('the first message', () => order.length > 0)
  const closed = close().then(() => void order.push('closed'))
  stop.abort()
  await Promise.all([watched, closed])
  t.equal(order[0], 'message')
  t.strictSame(order.slice(1).toSorted(), ['closed', 'stream'])
})
