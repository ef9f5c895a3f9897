import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import tap, { test } from 'tap'
import { Health, HealthCheckResponse_ServingStatus } from '../../src/gen/health/v1/health_pb.ts'
import { type PrivateServer, privateMysqlServer } from '../help/db.ts'
import { type ServiceProcess, startProcess, untilReady } from '../help/process.ts'
import { until } from '../help/until.ts'

// CI waits less than the ten seconds of `npm run verify`.
const outageMs = Number(process.env.OUTAGE_MS ?? 1500)
const isMeasured = process.env.OUTAGE_MS !== undefined

interface Sample {
  at: number
  ms: number
  status: number
}

/** How many calls were made; each has a mail address of its own. */
let made = 0

/** Calls in a closed loop, so that each failure and its latency is seen. */
function load(service: ServiceProcess) {
  const samples: Sample[] = []
  const stop = new AbortController()
  async function lane(index: number): Promise<void> {
    while (!stop.signal.aborted) {
      const at = performance.now()
      const response = await call(service.rest, `outage-${index}-${(made += 1)}@example.org`)
      await response.text()
      samples.push({ at, ms: performance.now() - at, status: response.status })
      await sleep(5)
    }
  }
  const ended = Promise.all(Array.from({ length: 16 }, (_, index) => lane(index)))
  return {
    samples,
    async end() {
      stop.abort()
      await ended
    },
  }
}

function call(url: string, email: string): Promise<Response> {
  if (Math.random() < 0.5) return fetch(`${url}/v1/users?page_size=2`)
  return fetch(`${url}/v1/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Outage', email }),
  })
}

const outages: Record<
  string,
  (server: PrivateServer, noticed: () => Promise<void>) => Promise<void>
> = {
  async SIGTERM(server, noticed) {
    await server.end('SIGTERM')
    await noticed()
    await sleep(outageMs)
    server.start()
  },
  async SIGKILL(server, noticed) {
    await server.end('SIGKILL')
    await noticed()
    await sleep(outageMs)
    server.start()
  },
  async SIGSTOP(server, noticed) {
    server.freeze()
    await noticed()
    await sleep(outageMs)
    server.thaw()
  },
}

/** The server of this file, and a service that outlives all outages. */
async function startBoth() {
  const server = await privateMysqlServer(tap)
  const service = await startProcess(tap, {
    DB_DSN: server.dsn,
    // A process without its share of the CPU notices an outage late. Its calls still have to end
    // because it has noticed, and not by their deadline.
    ...(isMeasured && { TIMEOUT: '1s' }),
    DB_POOL_WAIT: '0.5s',
  })
  return { server, service }
}

let both: ReturnType<typeof startBoth> | undefined
const running = () => (both ??= startBoth())

for (const [name, outage] of Object.entries(outages))
  test(`a database that goes away by ${name} costs 503s, quickly, and no restart`, async (t) => {
    const { server, service } = await running()
    const health = watchHealth(service)
    const calls = load(service)
    const served = (since: number) =>
      calls.samples.filter(({ at, status }) => at > since && status === 200).length
    await until('calls to be served', () => served(0) > 100)
    let noticedAt = Number.POSITIVE_INFINITY
    await outage(server, async () => {
      await until('the service to notice', async () => {
        return (await fetch(`${service.rest}/readyz`)).status === 503
      })
      noticedAt = performance.now()
    })
    const back = performance.now()
    await untilReady(`${service.rest}/readyz`)
    const ready = performance.now()
    await until('calls to be served again', () => served(ready) > 100)
    await calls.end()

    const { samples } = calls
    const during = samples.filter(({ at, ms }) => at > noticedAt && at + ms < back)
    const statuses = new Set(samples.map(({ status }) => status))
    t.same(
      [...statuses].sort((a, b) => a - b),
      [200, 503],
      'nothing else is answered',
    )
    t.ok(during.length > 0, 'calls went on')
    t.ok(
      during.every(({ status }) => status === 503),
      'each of them 503',
    )
    if (isMeasured) {
      const slowestMs = Math.max(...samples.map(({ ms }) => ms))
      t.ok(slowestMs < 1000, `the slowest took ${slowestMs} ms`)
    }
    t.match(await health.seen(3), ['SERVING', 'NOT_SERVING', 'SERVING'])
  })

test('a service that starts before its database migrates and serves once it is there', async (t) => {
  const { server } = await running()
  await server.execute('CREATE DATABASE late')
  await server.end('SIGTERM')
  const dsn = server.dsn.replace(/service$/, 'late')
  const service = await startProcess(t, { DB_DSN: dsn }, { ready: false })
  const ready = await fetch(`${service.rest}/readyz`)
  t.equal(ready.status, 503)
  t.match(await ready.json(), { checks: { database: 'ECONNREFUSED', migrations: 'not run yet' } })
  t.equal((await fetch(`${service.rest}/healthz`)).status, 200)
  const refused = await fetch(`${service.rest}/v1/users`)
  t.equal(refused.status, 503)
  t.match(await refused.json(), { code: 503, reason: 'DATABASE_UNAVAILABLE' })
  server.start()
  await untilReady(`${service.rest}/readyz`)
  t.equal((await fetch(`${service.rest}/v1/users`)).status, 200)
})

function watchHealth(service: ServiceProcess) {
  const client = createClient(Health, createGrpcTransport({ baseUrl: service.rpc }))
  const statuses: string[] = []
  async function watch(): Promise<void> {
    for await (const { status } of client.watch({})) {
      const [name = ''] =
        Object.entries(HealthCheckResponse_ServingStatus).find(([, value]) => value === status) ??
        []
      statuses.push(name)
    }
  }
  const ended = watch().catch(() => undefined)
  return {
    async seen(count: number): Promise<string[]> {
      await until(`${count} states of health`, () => statuses.length >= count)
      return statuses
    },
    ended,
  }
}
