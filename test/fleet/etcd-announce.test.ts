import { test, type Test } from 'tap'
import { freshSqlitePath } from '../help/db.ts'
import { type RunningEtcd, startEtcd, startPeer, withoutEtcd } from '../help/etcd.ts'
import { startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'

/** How long etcd is down, in `npm run verify -- etcd`. */
const downMs = Number(process.env.ETCD_DOWN_MS ?? 0)

/** The service's program, announced in all formats. etcd grants no lease for less than 2 s. */
async function announced(t: Test, { url }: RunningEtcd, env: Record<string, string> = {}) {
  const service = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    REGISTRY: 'etcd',
    ETCD_ENDPOINTS: url,
    REGISTRY_ID: 'one',
    REGISTRY_GO_ZERO_KEY: 'user.rpc',
    REGISTRY_KITEX_NAME: 'user-service',
    REGISTRY_TTL: '2s',
    ...env,
  })
  return {
    ...service,
    /** Resolves when so many lines have this message. */
    logs: (msg: RegExp, count: number) =>
      until(`${count} lines ${msg}`, () => {
        const found = service.lines.filter((line) => msg.test(String(line.msg)))
        return found.length >= count
      }),
  }
}

const prefixes = ['/microservices/user.service/', 'user.rpc/', 'kitex/registry-etcd/user-service/']

/** Resolves when etcd has so many keys of the service, in all formats together. */
async function keys(etcd: RunningEtcd, count: number): Promise<Record<string, string>> {
  let found: Record<string, string> = {}
  await until(`${count} keys in etcd`, async () => {
    const all = await Promise.all(prefixes.map(etcd.values)).catch(() => [])
    found = Object.assign({}, ...all) as typeof found
    return all.length > 0 && Object.keys(found).length === count
  })
  return found
}

test(
  'a service that serves is announced in each format, with the ports that it listens on',
  { skip: withoutEtcd },
  async (t) => {
    const etcd = await startEtcd(t)
    const { http, grpc } = await announced(t, etcd)
    const found = await keys(etcd, 3)
    const endpoints = [`grpc://${grpc}`, `http://${http}`]
    const kratos = { id: 'one', name: 'user.service', version: '0.1.0', metadata: {}, endpoints }
    t.equal(found['/microservices/user.service/one'], JSON.stringify(kratos))
    t.equal(
      found[`kitex/registry-etcd/user-service/${grpc}`],
      `{"network":"tcp","address":"${grpc}","weight":10,"tags":null}`,
    )
    const [goZero = ''] = Object.keys(found).filter((key) => /^user\.rpc\/\d+$/.test(key))
    t.equal(found[goZero], grpc)
  },
)

test(
  'a service that stops is gone at once, and not when its leases end',
  { skip: withoutEtcd },
  async (t) => {
    const etcd = await startEtcd(t)
    const service = await announced(t, etcd, { REGISTRY_TTL: '3600s' })
    await keys(etcd, 3)
    service.kill('SIGTERM')
    t.equal(await service.exit, 0)
    await keys(etcd, 0)
  },
)

test(
  'a service that stops is withdrawn before the drain delay, in which it serves on',
  { skip: withoutEtcd },
  async (t) => {
    const etcd = await startEtcd(t)
    const service = await announced(t, etcd, { REGISTRY_TTL: '3600s', DRAIN_DELAY: '3600s' })
    await keys(etcd, 3)
    service.kill('SIGTERM')
    await keys(etcd, 0)
    t.equal((await fetch(`${service.rest}/v1/users?page_size=1`)).status, 200)
  },
)

test('keys that somebody deletes are there again', { skip: withoutEtcd }, async (t) => {
  const etcd = await startEtcd(t)
  await announced(t, etcd, { REGISTRY_TTL: '3600s' })
  for (const key of Object.keys(await keys(etcd, 3))) await etcd.delete(key)
  await keys(etcd, 3)
})

test(
  'a process that was paused for longer than its leases is announced again',
  { skip: withoutEtcd },
  async (t) => {
    const etcd = await startEtcd(t)
    const service = await announced(t, etcd)
    await keys(etcd, 3)
    service.kill('SIGSTOP')
    await keys(etcd, 0)
    service.kill('SIGCONT')
    await keys(etcd, 3)
  },
)

test(
  'a service whose etcd is stopped, killed and away at the start serves and is announced later',
  { skip: withoutEtcd },
  async (t) => {
    const etcd = await startEtcd(t)
    await etcd.stop()
    const service = await announced(t, etcd)
    await service.logs(/^not announced/, 3)
    t.equal((await fetch(`${service.rest}/healthz`)).status, 200)
    await etcd.start()
    await keys(etcd, 3)
    await service.logs(/^announced/, 3)

    etcd.signal('SIGSTOP')
    await service.logs(/^not announced/, 6)
    etcd.signal('SIGCONT')
    await service.logs(/^announced/, 6)
    await keys(etcd, 3)

    await etcd.stop()
    await service.logs(/^not announced/, 9)
    await new Promise((resolve) => void setTimeout(resolve, downMs))
    await etcd.start()
    await service.logs(/^announced/, 9)
    await keys(etcd, 3)
    t.equal(service.lines.filter(({ msg }) => String(msg).startsWith('not announced')).length, 9)
  },
)

test(
  "go-zero's own subscriber follows a service through all of that",
  { skip: withoutEtcd },
  async (t) => {
    const etcd = await startEtcd(t)
    const service = await announced(t, etcd)
    const subscriber = startPeer(t, 'gozero', ['subscribe', etcd.url.slice(7), 'user.rpc'])
    const here = JSON.stringify([service.grpc])
    await subscriber.says(here)
    service.kill('SIGSTOP')
    await subscriber.says('[]')
    service.kill('SIGCONT')
    await subscriber.says(here)
    service.kill('SIGTERM')
    await subscriber.says('[]')
  },
)

test(
  'clients of Kratos find a service and call both of its ports',
  { skip: withoutEtcd },
  async (t) => {
    const etcd = await startEtcd(t)
    await announced(t, etcd)
    const client = startPeer(t, 'kratos', [etcd.url.slice(7), 'user.service'])
    const [code] = await client.exit
    t.equal(code, 0)
    t.strictSame(client.lines, ['ok grpc SERVING', 'ok http USER_NOT_FOUND'])
  },
)
