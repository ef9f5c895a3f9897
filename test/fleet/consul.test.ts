import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import { instanceOf, registrationOf } from '../../src/fleet/consul/format.ts'
import { consulRegistry } from '../../src/fleet/consul/registry.ts'
import { until } from '../help/until.ts'
import { follow, reported } from './reported.ts'

const checks = { interval: 10, deregisterAfter: 600 }
const instance = {
  id: 'ts-26900',
  name: 'user.service',
  version: 'v1',
  metadata: { weight: '100' },
  endpoints: ['grpc://127.0.0.1:26900', 'http://127.0.0.1:26800'],
}

test('an instance is registered as Kratos does it, with checks that pass from the start', async (t) => {
  const dead = '"DeregisterCriticalServiceAfter":"600s"'
  t.equal(
    JSON.stringify(registrationOf(instance, checks)),
    '{"ID":"ts-26900","Name":"user.service","Meta":{"weight":"100"},"Tags":["version=v1"],"Address":"127.0.0.1","Port":26900,' +
      '"TaggedAddresses":{"grpc":{"Address":"grpc://127.0.0.1:26900","Port":26900},"http":{"Address":"http://127.0.0.1:26800","Port":26800}},' +
      `"Checks":[{"TCP":"127.0.0.1:26900","Interval":"10s","Timeout":"5s","Status":"passing",${dead}},` +
      `{"TCP":"127.0.0.1:26800","Interval":"10s","Timeout":"5s","Status":"passing",${dead}},` +
      `{"CheckID":"service:ts-26900","TTL":"20s","Status":"passing",${dead}}]}`,
  )
})

test('addresses of IPv6 have brackets where a port follows', async (t) => {
  const { Address, Checks } = registrationOf(
    { ...instance, endpoints: ['grpcs://[fd00::1]:9000'] },
    checks,
  )
  t.equal(Address, 'fd00::1')
  t.match(Checks[0], { TCP: '[fd00::1]:9000' })
})

test('endpoints are the tagged addresses but those of Consul, else the plain one', async (t) => {
  const entry = (service: object) => ({ Service: { ID: 'a', Service: 'user.service', ...service } })
  const TaggedAddresses = {
    lan_ipv4: { Address: '10.0.0.1', Port: 9000 },
    wan: { Address: '10.0.0.1', Port: 9000 },
    http: { Address: 'http://10.0.0.1:8000', Port: 8000 },
    grpc: { Address: 'grpc://10.0.0.1:9000', Port: 9000 },
  }
  t.strictSame(
    instanceOf(entry({ TaggedAddresses, Tags: ['a', 'version=v2'], Meta: { zone: 'b' } })),
    {
      id: 'a',
      name: 'user.service',
      version: 'v2',
      metadata: { zone: 'b' },
      endpoints: ['grpc://10.0.0.1:9000', 'http://10.0.0.1:8000'],
    },
  )
  t.strictSame(instanceOf(entry({ Address: 'fd00::1', Port: 80, Tags: null }))?.endpoints, [
    'http://[fd00::1]:80',
  ])
  t.equal(instanceOf(entry({ Address: '' })), undefined)
  t.throws(() => instanceOf({ Service: { ID: 'a' } }), /no id or no name/)
  t.throws(() => instanceOf(null), /no service/)
})

interface Query {
  index: string | null
  answer: (index: number, entries: readonly object[]) => void
}

/** The calls of an agent that this project makes. Queries are held until the test answers them. */
async function fakeAgent(t: Test) {
  const calls: string[] = []
  const registered = new Set<string>()
  const queries: Query[] = []
  const server = http.createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '', 'http://agent')
    const end = (status: number, body: unknown = '') =>
      res.writeHead(status).end(JSON.stringify(body))
    let text = ''
    req
      .on('data', (chunk: Buffer) => (text += chunk.toString()))
      .on('end', () => {
        const id = decodeURIComponent(pathname.split('/').at(-1) ?? '')
        if (pathname.startsWith('/v1/health/service/'))
          return void queries.push({
            index: searchParams.get('index'),
            answer: (index, entries) =>
              res.setHeader('x-consul-index', index).end(JSON.stringify(entries)),
          })
        calls.push(`${req.method} ${req.url} ${String(req.headers['x-consul-token'])}`)
        if (pathname === '/v1/agent/self') return void end(200, {})
        if (pathname === '/v1/agent/service/register')
          registered.add(`service:${(JSON.parse(text) as { ID: string }).ID}`)
        else if (pathname.includes('/deregister/')) registered.delete(`service:${id}`)
        else if (!registered.has(id)) return void end(404, 'Unknown check')
        return void end(200)
      })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    registered,
    /** The oldest query that has not been answered. */
    async query(): Promise<Query> {
      await until('a query', () => queries.length > 0)
      return queries.shift() as Query
    },
  }
}

function registry(t: Test, url: string, interval = 10) {
  const told = reported()
  const made = consulRegistry(
    {
      url,
      token: 'secret',
      datacenter: 'dc1',
      timeoutMs: 3000,
      checks: { interval, deregisterAfter: 600 },
    },
    told.report,
  )
  t.teardown(async () => {
    await made.registrar.withdraw()
    await made.discovery.close()
  })
  return { ...told, ...made }
}

test('an instance is registered, keeps its check passing, and is deregistered', async (t) => {
  const agent = await fakeAgent(t)
  const { registrar, says, told } = registry(t, agent.url, 0.05)
  registrar.announce(instance)
  await says(/^announced kratos/)
  const beat = 'PUT /v1/agent/check/pass/service%3Ats-26900 secret'
  await until('two beats', () => agent.calls.filter((call) => call === beat).length >= 2)
  t.strictSame(agent.calls.slice(0, 3), [
    'GET /v1/agent/self secret',
    'PUT /v1/agent/service/register?replace-existing-checks=true secret',
    beat,
  ])
  t.match(told[0], `connecting {"consul.address":"${agent.url}","consul.datacenter":"dc1"}`)
  await registrar.withdraw()
  t.equal(agent.registered.size, 0)
  t.equal(agent.calls.at(-1), 'PUT /v1/agent/service/deregister/ts-26900 secret')
})

test('an agent that has lost its state is told of the instance again', async (t) => {
  const agent = await fakeAgent(t)
  const { registrar, says } = registry(t, agent.url, 0.05)
  registrar.announce(instance)
  await says(/^announced kratos/)
  agent.registered.clear()
  await says(/^lost kratos: Consul has answered 404: "Unknown check"/)
  await says(/^announced kratos/, 2)
  t.equal(agent.registered.size, 1)
})

const entry = (id: string) => ({
  Service: {
    ID: id,
    Service: 'user.service',
    TaggedAddresses: { grpc: { Address: `grpc://${id}:9000`, Port: 9000 } },
  },
})

test('an index that is lower than the one before is not used for the next query', async (t) => {
  const agent = await fakeAgent(t)
  const { lists, finds } = follow(registry(t, agent.url).discovery, 'user.service')
  const first = await agent.query()
  t.equal(first.index, '0')
  first.answer(40, [entry('a')])
  await finds('grpc://a:9000')
  const second = await agent.query()
  t.equal(second.index, '40')
  // Something else of the service has changed: the list is equal, and is not told again.
  second.answer(41, [entry('a')])
  const third = await agent.query()
  t.equal(third.index, '41')
  t.equal(lists.length, 1)
  third.answer(3, [entry('a'), entry('b')])
  await finds('grpc://a:9000', 'grpc://b:9000')
  t.equal((await agent.query()).index, '0')
})

test('an entry that cannot be read takes no other from the list', async (t) => {
  const agent = await fakeAgent(t)
  const { discovery, says } = registry(t, agent.url)
  const { finds } = follow(discovery, 'user.service')
  const query = await agent.query()
  query.answer(1, [entry('a'), { Service: null }, entry('b')])
  await finds('grpc://a:9000', 'grpc://b:9000')
  await says(/^broken user\.service: it has no service/)
})
