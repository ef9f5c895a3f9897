import { test } from 'tap'
import { settingsOf, type GivenSettings } from '../../src/client/settings.ts'
import type { Address } from '../../src/client/target/address.ts'
import { watchTarget } from '../../src/client/target/target.ts'
import type { Discovery, Instance } from '../../src/fleet/registry.ts'
import { until } from '../help/until.ts'

const resolving = (given: GivenSettings = {}, discovery?: Discovery) => ({
  settings: settingsOf(given),
  discovery,
})

function addressesOf(target: string, given?: GivenSettings): string[] {
  const found: Address[] = []
  watchTarget(target, resolving(given))((told) => found.push(...told), new AbortController().signal)
  return found.map(({ name, host, secure }) => `${host} ${name}${secure ? ' secure' : ''}`)
}

test('targets name their nodes', async (t) => {
  for (const [target = '', ...expected] of [
    ['direct:///a:1,b:2', 'a a:1', 'b b:2'],
    ['direct:///[::1]:9000', '::1 [::1]:9000'],
    ['http://host:80', 'host host:80'],
    ['http://host:80/', 'host host:80'],
    ['https://host:443', 'host host:443 secure'],
  ])
    t.strictSame(addressesOf(target), expected, target)
  t.strictSame(addressesOf('direct:///a:1', { tls: {} }), ['a a:1 secure'], 'TLS by the settings')
})

test('what is no target is refused with the forms that are', async (t) => {
  for (const target of [
    '',
    'a:1',
    'direct://a:1',
    'direct:///',
    'direct:///a',
    'direct:///a:1,',
    'direct:///a:0',
    'direct:///a:65536',
    'direct:///::1:9000',
    'http://a',
    'http://a:80/path',
    'dns:///a',
    'discovery:///',
    'ftp://a:1',
  ])
    t.throws(
      () => watchTarget(target, resolving()),
      { message: /is no target; allowed: direct/ },
      target,
    )
  t.throws(() => watchTarget('discovery:///a', resolving()), /needs a registry/)
})

test('a name is resolved to all addresses of both families, and again', async (t) => {
  const answers = [
    ['10.0.0.2', '10.0.0.1', '::1'],
    [],
    ['10.0.0.1', '::1', '10.0.0.2'],
    ['10.0.0.3'],
  ]
  let asked = 0
  const lookup = async (host: string) => {
    t.equal(host, 'users')
    asked += 1
    const answer = answers[Math.min(asked, answers.length) - 1] ?? []
    if (answer.length === 0) throw new Error('ENOTFOUND')
    return answer
  }
  const lists: string[] = []
  const stop = new AbortController()
  const watch = watchTarget('dns:///users:9000', { ...resolving({ resolveMs: 1 }), lookup })
  watch((told) => lists.push(told.map(({ name }) => name).join()), stop.signal)
  await until('the last answer', () => asked > answers.length)
  stop.abort()
  // A failure and the same addresses in another order tell nothing.
  t.strictSame(lists, ['10.0.0.1:9000,10.0.0.2:9000,[::1]:9000', '10.0.0.3:9000'])
})

test('instances are reached at the first endpoint of the protocol', async (t) => {
  const instance = (...endpoints: string[]): Instance => ({
    id: endpoints.join(),
    name: 'users',
    version: '',
    metadata: {},
    endpoints,
  })
  const all = [
    instance('http://a:1', 'grpc://a:2', 'grpc://a:3'),
    instance('grpcs://b:1', 'https://b:2'),
    instance('grpc://[::1]:4', 'http://[::1]:80'),
    instance(),
    instance('grpc://broken'),
    instance('grpc://10.0.0.1:99999', 'grpc://c:5'),
    instance('grpc://256.1.1.1:9000', 'http://256.1.1.1:80'),
    instance('grpc://d:6?isSecure=false', 'http://d:7?isSecure=false'),
    instance('grpc://e:8?isSecure=true', 'http://e:9?isSecure=true'),
  ]
  const discovery: Discovery = {
    watch: (_name, _signal, told) => told(all),
    close: () => Promise.resolve(),
  }
  for (const [given, expected] of [
    [{}, ['a:2', '[::1]:4', 'c:5', 'd:6']],
    [{ protocol: 'connect' }, ['a:2', '[::1]:4', 'c:5', 'd:6']],
    [{ protocol: 'kratos3' }, ['a:1', '[::1]:80', 'd:7']],
    [{ tls: {} }, ['b:1']],
    [{ protocol: 'kratos2', tls: {} }, ['b:2']],
  ] as const) {
    const found: string[] = []
    const watch = watchTarget('discovery:///users', resolving(given, discovery))
    watch((told) => found.push(...told.map(({ name }) => name)), new AbortController().signal)
    t.strictSame(found, expected, JSON.stringify(given))
  }
})

test('a list without a usable endpoint leaves the last one in force', async (t) => {
  const lists = [['grpc://a:1'], ['http://a:2']]
  const discovery: Discovery = {
    watch(name, _signal, told) {
      for (const endpoints of lists) told([{ id: '', name, version: '', metadata: {}, endpoints }])
    },
    close: () => Promise.resolve(),
  }
  const seen: number[] = []
  watchTarget('discovery:///a', resolving({}, discovery))(
    (told) => seen.push(told.length),
    new AbortController().signal,
  )
  t.strictSame(seen, [1])
})
