// Run by `npm run verify -- consul`, which builds Consul.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { consulRegistry } from '../../src/fleet/consul/registry.ts'
import { freshSqlitePath } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'
import { follow, reported } from './reported.ts'

/** An agent without disk, so that it has no state after a restart; killed when the test ends. */
async function startConsul(t: Test) {
  const [port, dns, grpc, lan, wan, rpc] = await Promise.all(
    Array.from({ length: 6 }, () => freePort()),
  )
  const file = join(t.testdir(), 'ports.json')
  const ports = { http: port, dns, grpc, grpc_tls: -1, serf_lan: lan, serf_wan: wan, server: rpc }
  writeFileSync(file, JSON.stringify({ ports, log_level: 'error' }))
  let child: ChildProcess | undefined
  const url = `http://127.0.0.1:${port}`

  async function start(): Promise<void> {
    const args = ['agent', '-dev', `-config-file=${file}`]
    child = spawn(process.env.TEST_CONSUL ?? '', args, { stdio: 'ignore' })
    await until('a leader of Consul', async () => {
      const answer = await fetch(`${url}/v1/status/leader`).catch(() => undefined)
      return answer?.ok === true && (await answer.text()).length > 2
    })
  }
  async function stop(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }
  t.teardown(stop)
  await start()
  return { url, start, stop }
}

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
