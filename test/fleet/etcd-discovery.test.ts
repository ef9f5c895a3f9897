import { test, type Test } from 'tap'
import { etcdRegistry } from '../../src/fleet/etcd/registry.ts'
import { type RunningEtcd, startEtcd, startPeer, withoutEtcd } from '../help/etcd.ts'
import { follow, reported } from './reported.ts'

const real = { skip: withoutEtcd }
const tls = { caFile: '', certFile: '', keyFile: '' }

/** Finds instances in etcd; closed when the test ends. */
function registry(t: Test, { url }: Pick<RunningEtcd, 'url'>, options = {}) {
  const told = reported()
  const names = { namespace: '/microservices', goZeroKey: '', kitexName: '' }
  const made = etcdRegistry(
    {
      endpoints: [url],
      username: '',
      password: '',
      tls,
      timeoutMs: 3000,
      names,
      ttl: 10,
      ...options,
    },
    told.report,
  )
  t.teardown(async () => {
    await made.registrar.withdraw()
    await made.discovery.close()
  })
  return { ...told, ...made }
}

const key = (id: string, name = 'user.service') => `/microservices/${name}/${id}`

function value(id: string, endpoints: readonly string[], name = 'user.service'): string {
  return JSON.stringify({ id, name, version: 'v1', metadata: { weight: '100' }, endpoints })
}

test('the instances of a service are told at first and after each change', real, async (t) => {
  const etcd = await startEtcd(t)
  await etcd.put(key('a'), value('a', ['grpc://10.0.0.1:9000']))
  const { lists, finds } = follow(registry(t, etcd).discovery, 'user.service')
  await finds('grpc://10.0.0.1:9000')
  t.strictSame(lists[0], [
    {
      id: 'a',
      name: 'user.service',
      version: 'v1',
      metadata: { weight: '100' },
      endpoints: ['grpc://10.0.0.1:9000'],
    },
  ])
  await etcd.put(key('b'), value('b', ['grpcs://[fd00::2]:9000']))
  await finds('grpc://10.0.0.1:9000', 'grpcs://[fd00::2]:9000')
  await etcd.delete(key('a'))
  await finds('grpcs://[fd00::2]:9000')
})

test('a broken value takes no other instance from the list, and is told', real, async (t) => {
  const etcd = await startEtcd(t)
  await etcd.put(key('a'), value('a', ['grpc://10.0.0.1:9000']))
  await etcd.put(key('b'), '127.0.0.1:9000')
  await etcd.put(key('c'), value('c', []))
  await etcd.put(key('d'), value('d', ['grpc://10.0.0.4:9000'], 'other'))
  await etcd.put(key('e', 'user.service2'), value('e', ['grpc://10.0.0.5:9000'], 'user.service2'))
  await etcd.put(key('f'), value('f', ['grpcs://10.0.0.6:9000']))
  const { discovery, says } = registry(t, etcd)
  const { finds } = follow(discovery, 'user.service')
  await finds('grpc://10.0.0.1:9000', 'grpcs://10.0.0.6:9000')
  await says(/^broken \/microservices\/user\.service\/b: /)
  await etcd.put(key('f'), '{')
  await finds('grpc://10.0.0.1:9000')
  await etcd.put(key('b'), value('b', ['grpc://10.0.0.2:9000']))
  await finds('grpc://10.0.0.1:9000', 'grpc://10.0.0.2:9000')
})

test('a list that becomes empty leaves the last one in force', real, async (t) => {
  const etcd = await startEtcd(t)
  await etcd.put(key('a'), value('a', ['grpc://10.0.0.1:9000']))
  const { discovery, says } = registry(t, etcd)
  const { lists, finds } = follow(discovery, 'user.service')
  await finds('grpc://10.0.0.1:9000')
  await etcd.delete(key('a'))
  await says(/^stale user\.service: the registry lists no instance of it/)
  t.equal(lists.length, 1)
  await etcd.put(key('b'), value('b', ['grpc://10.0.0.2:9000']))
  await finds('grpc://10.0.0.2:9000')
  t.equal(lists.length, 2)
})

test('changes during an outage are told after it', real, async (t) => {
  const etcd = await startEtcd(t)
  await etcd.put(key('a'), value('a', ['grpc://10.0.0.1:9000']))
  const { discovery, says } = registry(t, etcd)
  const { finds } = follow(discovery, 'user.service')
  await finds('grpc://10.0.0.1:9000')
  await etcd.stop()
  await says(/^stale user\.service: /)
  await etcd.start()
  await etcd.put(key('b'), value('b', ['grpc://10.0.0.2:9000']))
  await finds('grpc://10.0.0.1:9000', 'grpc://10.0.0.2:9000')
})

test('a server of go-zero is found while it is there, and after it', real, async (t) => {
  const etcd = await startEtcd(t)
  const publisher = startPeer(t, 'gozero', [
    'publish',
    etcd.url.slice(7),
    'user.rpc',
    '10.0.0.1:9000',
  ])
  await publisher.says('published')
  const { discovery, says } = registry(t, etcd)
  const { finds } = follow(discovery, 'user.rpc')
  await finds('grpc://10.0.0.1:9000')
  await etcd.put('user.rpc/1', '10.0.0.2:9000')
  await finds('grpc://10.0.0.1:9000', 'grpc://10.0.0.2:9000')
  publisher.leave()
  await finds('grpc://10.0.0.2:9000')
  await etcd.delete('user.rpc/1')
  await says(/^stale user\.rpc: the registry lists no/)
})

test('a watch that has ended tells nothing more', real, async (t) => {
  const etcd = await startEtcd(t)
  await etcd.put(key('a'), value('a', ['grpc://10.0.0.1:9000']))
  const { discovery } = registry(t, etcd)
  const ended = follow(discovery, 'user.service')
  const going = follow(discovery, 'user.service')
  await Promise.all([ended, going].map(({ finds }) => finds('grpc://10.0.0.1:9000')))
  ended.stop()
  await etcd.put(key('b'), value('b', ['grpc://10.0.0.2:9000']))
  await going.finds('grpc://10.0.0.1:9000', 'grpc://10.0.0.2:9000')
  t.equal(ended.lists.length, 1)
})

test('the next member is used when one fails', real, async (t) => {
  const [first, second] = [await startEtcd(t), await startEtcd(t)]
  await first.put(key('a'), value('a', ['grpc://10.0.0.1:9000']))
  await second.put(key('b'), value('b', ['grpc://10.0.0.2:9000']))
  const { discovery } = registry(t, first, { endpoints: [first.url, second.url] })
  const { finds } = follow(discovery, 'user.service')
  await finds('grpc://10.0.0.1:9000')
  await first.stop()
  await finds('grpc://10.0.0.2:9000')
})

test('two processes that announce one id are told of each other', real, async (t) => {
  const etcd = await startEtcd(t)
  const [one, two] = [registry(t, etcd), registry(t, etcd)]
  const instance = {
    id: 'same',
    name: 'user.service',
    version: '',
    metadata: {},
    endpoints: ['grpc://10.0.0.1:9000'],
  }
  one.registrar.announce(instance)
  await one.says(/^announced kratos/)
  two.registrar.announce(instance)
  await one.says(/^contested kratos/)
})
