// Run by `npm run verify -- consul`, which builds Consul.
import { test, type Test } from 'tap'
import { consulRegistry } from '../../src/fleet/consul/registry.ts'
import { startConsul } from '../help/consul.ts'
import { freshSqlitePath } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'
import { follow, reported } from './reported.ts'

function followed(t: Test, url: string) {
  const told = reported()
  const checks = { interval: 2, deregisterAfter: 600 }
  const options = { url, token: '', datacenter: '', timeoutMs: 3000, checks }
  const { discovery } = consulRegistry(options, told.report)
  t.teardown(() => discovery.close())
  return { ...told, ...follow(discovery, 'user.service') }
}

test('a service is listed by Consul while it runs, after restarts of the agent too', async (t) => {
  const consul = await startConsul(t)
  const service = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    REGISTRY: 'consul',
    CONSUL_ADDRESS: consul.url,
    REGISTRY_ID: 'one',
  })
  const { finds, says, lists } = followed(t, consul.url)
  await finds(`grpc://${service.grpc}`, `http://${service.http}`)
  t.match(lists[0], [{ id: 'one', name: 'user.service', version: '0.1.0' }])

  // Its index begins again, lower than the one that the query waits with.
  await consul.stop()
  await says(/^stale user\.service/)
  await consul.start()
  await says(/^listed user\.service: 1/, 2)

  service.kill('SIGTERM')
  t.equal(await service.exit, 0)
  const { told } = followed(t, consul.url)
  await until('an empty list', () => told.some((text) => /lists no instance/.test(text)))
})

test('an instance whose check fails is not listed, and is listed again by its next beat', async (t) => {
  const consul = await startConsul(t)
  const told = reported()
  const checks = { interval: 1, deregisterAfter: 600 }
  const options = { url: consul.url, token: '', datacenter: '', timeoutMs: 3000, checks }
  const { registrar } = consulRegistry(options, told.report)
  t.teardown(() => registrar.withdraw())
  const grpc = `grpc://${new URL(consul.url).host}`
  registrar.announce({
    id: 'two',
    name: 'user.service',
    version: '',
    metadata: {},
    endpoints: [grpc],
  })
  const { finds, says } = followed(t, consul.url)
  await finds(grpc)
  const fail = `${consul.url}/v1/agent/check/fail/service:two`
  t.equal((await fetch(fail, { method: 'PUT' })).status, 200)
  await says(/^stale user\.service: the registry lists no instance/)
  await says(/^listed user\.service: 1/, 2)
})
