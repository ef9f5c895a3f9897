import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SpanStatusCode } from '@opentelemetry/api'
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'
import { test, type Test } from 'tap'
import { startApp } from '../../help/app.ts'
import { type Centre, fakeApollo, fakeConsul } from '../../help/config-centres.ts'
import { startConsul } from '../../help/consul.ts'
import { startEtcd, withoutEtcd } from '../../help/etcd.ts'
import { samplesOf } from '../../help/exposition.ts'
import { until } from '../../help/until.ts'

const changed = `
log: {level: warn}
tracing: {sampling: {ratio: 0}, headers: {authorization: hunter2}}
server:
  operation_timeouts: {/api.user.v1.User/ListUsers: 0.000001s}
  http: {addr: '127.0.0.1:1'}
clients: {user: {timeout: 0.000001s}}
limits: {quota: {operations: {/api.user.v1.User/DeleteUser: 0.001}}}
`
const bad = 'log: {level: loud}\nregistry: {etcd: {password: [hunter2]}}\n'
const back = 'log: {level: info}\n'

/** The file of --conf in a ConfigMap, whose versions Kubernetes swaps by a link beside it. */
async function fileCentre(t: Test): Promise<Centre & { path: string }> {
  const folder = t.testdir({})
  let version = 0
  function put(text = ''): void {
    version += 1
    mkdirSync(join(folder, `..${version}`))
    writeFileSync(join(folder, `..${version}`, 'config.yaml'), text)
    symlinkSync(`..${version}`, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  put(back)
  symlinkSync('..data/config.yaml', join(folder, 'config.yaml'))
  return { path: join(folder, 'config.yaml'), env: {}, put, stop: () => undefined }
}

/** Consul itself where `npm run verify -- consul` has built it. */
async function consulCentre(t: Test): Promise<Centre> {
  if (process.env.TEST_CONSUL === undefined) return fakeConsul(t)
  const { url, ...consul } = await startConsul(t)
  const key = `${url}/v1/kv/config/user-service/config.yaml`
  return {
    env: { CONFIG_SOURCES: 'consul', CONSUL_ADDRESS: url, CONSUL_TOKEN: 'hunter2' },
    put: (body) => fetch(key, body === undefined ? { method: 'DELETE' } : { method: 'PUT', body }),
    ...consul,
  }
}

async function etcdCentre(t: Test): Promise<Centre> {
  const etcd = await startEtcd(t)
  const key = 'config/user-service/config.yaml'
  return {
    env: { CONFIG_SOURCES: 'etcd', ETCD_ENDPOINTS: etcd.url },
    put: (text) => (text === undefined ? etcd.delete(key) : etcd.put(key, text)),
    stop: etcd.stop,
    start: () => etcd.start(),
  }
}

/** Calls without a pause, in several loops; gives the statuses that are not 200. */
function load(url: string) {
  const ended = new AbortController()
  const failed: number[] = []
  async function loop(): Promise<void> {
    while (!ended.signal.aborted) {
      const { status } = await fetch(`${url}/v1/users/unknown-id`)
      if (status !== 404 && status !== 400) failed.push(status)
    }
  }
  const loops = [loop(), loop()]
  return async function end(): Promise<number[]> {
    ended.abort()
    await Promise.all(loops)
    return failed
  }
}

/** Starts the service with a centre as its source. */
async function started(t: Test, centre: Centre) {
  const path =
    (centre as { path?: string }).path ?? join(t.testdir({ 'config.yaml': back }), 'config.yaml')
  const spans = new InMemorySpanExporter()
  let log: Logger | undefined
  const app = await startApp(t, {
    storage: 'mysql',
    file: path,
    spans,
    measured: true,
    env: { TRACING_EXPORTER: 'console', QUOTA_ENABLED: 'true', ...centre.env },
    logged: (given) => (log = given),
  })
  const get = async (path: string) => (await fetch(`${app.rest.url}${path}`)).status
  const status = () => get('/v1/users')
  /** Asks to delete a user that there is not. */
  const remove = async () =>
    (await fetch(`${app.rest.url}/v1/users/7`, { method: 'DELETE' })).status
  const named = (name: string) => spans.getFinishedSpans().filter((span) => span.name === name)
  /** Orders for a user that there is not, whom orders ask the client of users for. */
  const order = async () => {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ userId: 7, productId: 1, amount: 10 })
    return (await fetch(`${app.rest.url}/v1/orders`, { method: 'POST', headers, body })).status
  }
  return {
    app,
    spans,
    named,
    get,
    order,
    status,
    remove,
    log: () => log,
    says: (pattern: RegExp) => {
      return until(`a line ${pattern}`, () => app.log().some(({ msg }) => pattern.test(msg)))
    },
  }
}

const centres: Record<string, (t: Test) => Promise<Centre>> = {
  file: fileCentre,
  etcd: etcdCentre,
  consul: consulCentre,
  apollo: fakeApollo,
}

for (const [kind, centreOf] of Object.entries(centres))
  test(
    `level, ratio, a timeout and a quota change under load without a lost call, from ${kind}`,
    { skip: kind === 'etcd' && withoutEtcd },
    async (t) => {
      const centre = await centreOf(t)
      const service = await started(t, centre)
      const { app, spans, named, get, status, remove, order, log, says } = service
      await until('the source to be read', () => named('config.watch').length > 0)
      const end = load(app.rest.url)
      t.teardown(end)
      t.equal(await status(), 200)
      t.strictSame([await remove(), await remove(), await order()], [404, 404, 404])

      await centre.put(changed)
      await says(/^needs a restart: server\.http\.addr, tracing\.headers$/)
      t.equal(log()?.level, 'warn')
      await until('the span of the update', () => named('config.update').length === 1)
      await until('a call at its deadline', async () => (await status()) === 504)
      t.equal(await order(), 503, 'users have no time to answer')
      await until('a call above its quota', async () => (await remove()) === 429)

      await centre.put(bad)
      await says(
        /^the document is refused, and the settings stay: .*config\.yaml: log\.level: found/,
      )
      t.equal(log()?.level, 'warn')
      const refused = await samplesOf(app.metrics, 'config_refused')
      t.match(
        refused.find(({ labels }) => labels.source === kind),
        { value: 1 },
      )
      await get('/v1/users/2')

      await centre.put(kind === 'file' ? back : undefined)
      await until('the values of the file', () => log()?.level === 'info')
      t.equal(await status(), 200)
      t.strictSame([await remove(), await order()], [404, 404])
      if (centre.start) {
        await centre.stop()
        await says(/^a source of settings is away, and the settings stay: /)
        await centre.start()
        await says(/^the source of settings is there again$/)
        t.equal(log()?.level, 'info')
      }
      t.strictSame(await end(), [])
      t.match(await samplesOf(app.metrics, 'config_restart_needed'), [{ value: 0 }])
      const updates = await samplesOf(app.metrics, 'config_updates_total')
      t.strictSame(
        updates.filter(({ labels }) => labels.source === kind).map(({ value }) => value),
        [2, 1],
      )
      await get('/v1/users/3')
      const traced = (path: string) =>
        spans.getFinishedSpans().some(({ attributes }) => attributes['url.path'] === path)
      await until('the span of a call', () => traced('/v1/users/3'))
      t.notOk(traced('/v1/users/2'))

      const metrics = await (await fetch(`${app.metrics}/metrics`)).text()
      const told = JSON.stringify([app.log(), spans.getFinishedSpans().map(facts), metrics])
      t.notMatch(told, /hunter2/)
    },
  )

function facts({
  name,
  attributes,
  events,
  status,
}: ReturnType<InMemorySpanExporter['getFinishedSpans']>[number]) {
  return { name, attributes, events, status }
}

test('a source that goes away leaves the settings, and its spans and metrics say so', async (t) => {
  const centre = await fakeConsul(t)
  centre.put('log: {level: error}\n')
  const { app, named, log, says } = await started(t, centre)
  await until('the source to be read', () => named('config.watch').length === 2)
  centre.put('log: {level: warn}\n')
  await until('the new level', () => log()?.level === 'warn')
  centre.put('log: {level: loud}\n')
  await until('two updates', () => named('config.update').length === 2)
  const [update, refused] = named('config.update')
  t.match(update, {
    parentSpanContext: undefined,
    attributes: {
      'config.source': 'consul',
      'config.key': 'config/user-service/config.yaml',
      'config.changed': 'log.level',
    },
    events: [{ name: 'config updated' }],
  })
  const watch = named('config.watch').find(
    ({ attributes }) => attributes['config.source'] === 'consul',
  )
  t.equal(update?.links[0]?.context.spanId, watch?.spanContext().spanId)
  t.equal(refused?.status.code, SpanStatusCode.ERROR)

  await centre.stop()
  await says(/^a source of settings is away, and the settings stay: /)
  t.equal(log()?.level, 'warn')
  const away = await samplesOf(app.metrics, 'config_source_away_seconds')
  t.match(
    away.map(({ labels, value }) => [labels.source, value > 0]),
    [
      ['file', false],
      ['consul', true],
    ],
  )
})
