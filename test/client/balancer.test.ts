import { test } from 'tap'
import { balancer, type BalancerOptions } from '../../src/client/node/balancer.ts'
import {
  abandoned,
  begun,
  ended,
  loadOf,
  type Node,
  streamTaken,
} from '../../src/client/node/node.ts'
import { address } from '../../src/client/target/address.ts'
import { randomFrom } from './random.ts'

const addresses = (...hosts: string[]) => hosts.map((host) => address(host, 9000, false))

function subject({ choose = 'p2c', drainMs = 10_000 }: Partial<BalancerOptions> = {}) {
  const clock = { now: 1000 }
  const opened: string[] = []
  const closed: string[] = []
  const nodes = balancer({
    open({ host }) {
      opened.push(host)
      return { transport: {} as never, close: () => void closed.push(host) }
    },
    choose,
    drainMs,
    now: () => clock.now,
    random: randomFrom(7),
  })
  const host = (node: Node | undefined) => node?.address.host
  return { nodes, clock, opened, closed, host, pick: (not?: Node) => host(nodes.pick(not)) }
}

const byHost = (nodes: readonly Node[], host: string) => {
  const node = nodes.find(({ address }) => address.host === host)
  if (!node) throw new Error(`no node ${host}`)
  return node
}

test('without nodes none is chosen', async (t) => {
  t.equal(subject().pick(), undefined)
})

test('of two nodes the one with fewer open calls is chosen', async (t) => {
  const { nodes, clock, pick } = subject()
  nodes.update(addresses('a', 'b'))
  begun(byHost(nodes.nodes(), 'a'), clock.now)
  t.equal(pick(), 'b')
  t.equal(pick(), 'b')
})

test('a node that is twenty times as slow gets less than a twentieth of the calls', async (t) => {
  const { nodes, clock } = subject()
  nodes.update(addresses('a', 'b', 'slow'))
  const counts: Record<string, number> = {}
  const open: { node: Node; begin: number; end: number }[] = []
  // 20 callers for two seconds: a call takes 2 ms, on the slow node 40 ms.
  for (; clock.now < 3000; clock.now += 1) {
    for (const call of open.filter(({ end }) => end <= clock.now)) {
      open.splice(open.indexOf(call), 1)
      ended(call.node, clock.now, clock.now - call.begin, true)
    }
    while (open.length < 20) {
      const node = nodes.pick(undefined)
      if (!node) return t.fail('no node')
      begun(node, clock.now)
      const { host } = node.address
      counts[host] = (counts[host] ?? 0) + 1
      open.push({ node, begin: clock.now, end: clock.now + (host === 'slow' ? 40 : 2) })
    }
  }
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0)
  t.ok((counts.slow ?? 0) < all / 20, JSON.stringify(counts))
  t.ok((counts.slow ?? 0) > 0)
})

test('a node that fails fast does not attract the calls', async (t) => {
  const { nodes, clock, pick } = subject()
  nodes.update(addresses('fails', 'works'))
  for (const [host, ms, ok] of [
    ['fails', 1, false],
    ['works', 20, true],
  ] as const)
    for (let n = 0; n < 50; n += 1) {
      const node = byHost(nodes.nodes(), host)
      begun(node, clock.now)
      clock.now += 20
      ended(node, clock.now, ms, ok)
    }
  t.equal(pick(), 'works')
})

test('a node that answers nothing is avoided long before its calls time out', async (t) => {
  const { nodes, clock } = subject()
  nodes.update(addresses('a', 'hangs'))
  const [a, hangs] = ['a', 'hangs'].map((host) => byHost(nodes.nodes(), host)) as [Node, Node]
  for (const node of [a, hangs]) {
    begun(node, clock.now)
    ended(node, clock.now, 1, true)
  }
  begun(hangs, clock.now)
  const before = loadOf(hangs, clock.now)
  clock.now += 100
  t.ok(loadOf(hangs, clock.now) > 4 * before)
  t.ok(loadOf(a, clock.now) < before)
})

test('a call that was given up early says nothing of its node', async (t) => {
  const { nodes, clock } = subject()
  nodes.update(addresses('a'))
  const node = byHost(nodes.nodes(), 'a')
  begun(node, clock.now)
  ended(node, clock.now, 10, true)
  begun(node, clock.now)
  clock.now += 600
  abandoned(node, clock.now, 5)
  t.equal(node.lagMs, 10)
  begun(node, clock.now)
  abandoned(node, clock.now, 50)
  t.ok(node.lagMs > 10, 'but one that was given up late does')
  t.equal(node.inflight, 0)
})

test('a stream goes to the node with fewer streams, whatever its calls are', async (t) => {
  const { nodes, clock, host } = subject()
  nodes.update(addresses('a', 'b'))
  const a = byHost(nodes.nodes(), 'a')
  begun(a, clock.now)
  ended(a, clock.now, 100, true)
  byHost(nodes.nodes(), 'b').streams = 1
  for (let n = 0; n < 19; n += 1) {
    // Where streams are rare, each node was not chosen for long.
    clock.now += 4000
    const node = nodes.pick(undefined, true)
    if (node) node.streams += 1
  }
  t.strictSame(
    nodes.nodes().map(({ streams }) => streams),
    [10, 10],
  )
  t.strictSame(
    [1, 2].map(() => host(nodes.pick(undefined))),
    ['a', 'b'],
    'calls go by the load',
  )
})

test('a node that refuses streams does not attract them', async (t) => {
  const { nodes, clock, host } = subject()
  nodes.update(addresses('a', 'full'))
  byHost(nodes.nodes(), 'a').streams = 50
  const full = byHost(nodes.nodes(), 'full')
  t.equal(host(nodes.pick(undefined, true)), 'full')
  clock.now += 2900
  streamTaken(full, clock.now, false)
  t.equal(host(nodes.pick(undefined, true)), 'a')
  clock.now += 3001
  t.equal(host(nodes.pick(undefined, true)), 'full', 'but for one in three seconds')
  streamTaken(full, clock.now, true)
  t.equal(host(nodes.pick(undefined, true)), 'full')
})

test('a node that was not chosen for three seconds is chosen once', async (t) => {
  const { nodes, clock, pick } = subject()
  nodes.update(addresses('a', 'b'))
  const slow = byHost(nodes.nodes(), 'b')
  begun(slow, clock.now)
  ended(slow, clock.now, 100, true)
  const a = byHost(nodes.nodes(), 'a')
  begun(a, clock.now)
  ended(a, clock.now, 1, true)
  t.equal(pick(), 'a')
  clock.now += 3001
  t.strictSame(new Set([pick(), pick()]), new Set(['a', 'b']))
})

test('a node that is down is not chosen until its time is over, which doubles', async (t) => {
  const { nodes, clock, pick } = subject({ choose: 'random' })
  nodes.update(addresses('a', 'b'))
  const b = byHost(nodes.nodes(), 'b')
  const picks = () => new Set(Array.from({ length: 50 }, () => pick()))
  const downMs: number[] = []
  for (let outage = 0; outage < 8; outage += 1) {
    nodes.down(b)
    // Calls that fail together are one outage.
    nodes.down(b)
    const begin = clock.now
    t.strictSame(picks(), new Set(['a']))
    while (!picks().has('b')) clock.now += 100
    downMs.push(clock.now - begin)
  }
  t.strictSame(downMs, [100, 200, 400, 800, 1600, 3200, 5000, 5000])
  begun(b, clock.now)
  ended(b, clock.now, 1, true)
  nodes.down(b)
  t.equal(b.downUntil - clock.now, 100, 'a success begins anew')
})

test('where all nodes are down all are tried', async (t) => {
  const { nodes, pick } = subject()
  nodes.update(addresses('a', 'b'))
  for (const node of nodes.nodes()) nodes.down(node)
  t.equal(nodes.hasUp, false)
  t.ok(pick())
})

test('a further try goes to another node, if there is one', async (t) => {
  for (const hosts of [
    ['a', 'b'],
    ['a', 'b', 'c'],
  ]) {
    const { nodes } = subject()
    nodes.update(addresses(...hosts))
    for (let n = 0; n < 200; n += 1) {
      const last = nodes.pick(undefined)
      if (nodes.pick(last) === last) t.fail(`${n}: the same of ${hosts.length}`)
    }
  }
  const { nodes } = subject()
  nodes.update(addresses('a'))
  t.equal(nodes.pick(nodes.pick(undefined)), nodes.nodes()[0])
})

test('a change of the list keeps what is known of the other nodes', async (t) => {
  const { nodes, clock, opened, closed } = subject()
  nodes.update(addresses('a', 'b'))
  const a = byHost(nodes.nodes(), 'a')
  begun(a, clock.now)
  ended(a, clock.now, 12, true)
  nodes.update(addresses('a', 'c'))
  t.equal(byHost(nodes.nodes(), 'a'), a)
  t.equal(a.lagMs, 12)
  t.strictSame([opened, closed], [['a', 'b', 'c'], ['b']])
})

test('a node that leaves is closed when its calls have ended', async (t) => {
  const { nodes, clock, closed, pick } = subject()
  nodes.update(addresses('a', 'b'))
  const a = byHost(nodes.nodes(), 'a')
  begun(a, clock.now)
  begun(a, clock.now)
  nodes.update(addresses('b'))
  t.equal(pick(), 'b')
  ended(a, clock.now, 1, true)
  t.strictSame([closed, nodes.leaving()], [[], 1])
  ended(a, clock.now, 1, true)
  t.strictSame([closed, nodes.leaving()], [['a'], 0])
})

test('a node whose calls do not end is closed after the drain', async (t) => {
  const { nodes, clock, closed } = subject({ drainMs: 1 })
  nodes.update(addresses('a'))
  begun(byHost(nodes.nodes(), 'a'), clock.now)
  await nodes.close()
  t.strictSame([closed, nodes.leaving()], [['a'], 0])
})
