import { createClient } from '@connectrpc/connect'
import { test } from 'tap'
import { channelOf } from '../../src/client/channel.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { until } from '../help/until.ts'
import { callers } from './callers.ts'
import { listed } from './discovery.ts'
import { hop } from './hop.ts'

/** How many sockets and timers are open in this process. */
function open(): Record<string, number> {
  const all = process.getActiveResourcesInfo()
  const of = (kind: string) => all.filter((each) => each === kind).length
  return { sockets: of('TCPSocketWrap'), timers: of('Timeout') }
}

for (const count of [2, 20])
  test(`a thousand changes of a list of ${count} leak no connection and no timer`, async (t) => {
    const { grpc } = await hop(t, {
      users: () => ({ getUser: ({ id }) => ({ id }) }),
      env: { GRPC_ADDR: '0.0.0.0:0' },
    })
    const port = grpc.split(':')[1]
    // One server has all addresses of the loopback network.
    const all = Array.from({ length: count }, (_, at) => `127.0.0.${at + 1}:${port}`)
    const before = open()
    const registry = listed(all)
    const { discovery } = registry
    const settings = { discovery, timeoutMs: 60_000, drainMs: 60_000 }
    const { transport, close, nodes } = channelOf('discovery:///user.service', settings)
    const users = createClient(User, transport)
    const calls = callers(10, () => users.getUser({ id: 1n }))
    for (let change = 0; change < 1000; change += 1) {
      const start = change % count
      registry.update([...all, ...all].slice(start, start + Math.max(1, count / 2)))
      // Calls on many of the lists, so that their nodes are connected to.
      if (change % 20 !== 0) continue
      const { succeeded } = calls.state
      await until('calls', () => calls.state.succeeded > succeeded + 10)
    }
    await calls.stop()
    t.strictSame(calls.state.failed.map(String), [])
    t.equal(nodes().length, Math.max(1, count / 2))
    const sockets = open().sockets ?? 0
    // Both ends of each connection are in this process.
    t.ok(sockets <= (before.sockets ?? 0) + 2 * count, `${sockets} sockets`)
    await close()
    await until('sockets and timers as before', () => {
      const { sockets = 0, timers = 0 } = open()
      return sockets <= (before.sockets ?? 0) && timers <= (before.timers ?? 0) + 1
    })
  })
