import { Redis } from 'ioredis'
import { test, type Test } from 'tap'
import { type RunningApp, startApp, type StartOptions } from '../help/app.ts'
import { samplesOf, sum } from '../help/exposition.ts'
import { startRedis, withoutRedis } from '../help/redis.ts'
import { type SeenSpan, served, spanMemory, trees } from '../help/spans.ts'
import { until } from '../help/until.ts'

const needsRedis = { skip: withoutRedis }

/** The service with a Redis of its own. */
async function withRedis(t: Test, options: Partial<StartOptions> = {}, timeout = '30s') {
  const server = await startRedis(t)
  const env = { CACHE_REDIS: `redis://127.0.0.1:${server.port}/1`, CACHE_TIMEOUT: timeout }
  const app = await startApp(t, { storage: 'sqlite', measured: true, env, ...options })
  const redis = new Redis({ port: server.port, db: 1 })
  t.teardown(() => redis.disconnect())
  await until('Redis', async () => sum(await samplesOf(app.metrics, 'cache_up')) === 1)
  return { server, app, redis, reads: readsOf(app) }
}

/** What became of the reads of one kind of records, by result. */
function readsOf({ metrics }: RunningApp) {
  return async (kind = 'User'): Promise<Record<string, number>> => {
    const all = await samplesOf(metrics, 'cache_reads_total')
    const samples = all.filter(({ labels }) => labels.cache === kind)
    return Object.fromEntries(samples.map(({ labels, value }) => [labels.result, value]))
  }
}

async function send(app: RunningApp, method: string, path: string, body?: unknown, headers = {}) {
  const response = await fetch(`${app.rest.url}/v1/${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, text, body: JSON.parse(text) as Record<string, unknown> }
}

const get = (app: RunningApp, id: number) => send(app, 'GET', `users/${id}`)
const getOrder = (app: RunningApp, id: number) => send(app, 'GET', `orders/${id}`)
const ada = { name: 'Ada', email: 'ada@example.org', phone: '+44 20 7946 0958' }

test('a thousand callers of a user that is not cached cost one SELECT', needsRedis, async (t) => {
  const { app, redis } = await withRedis(t, { storage: 'mysql' })
  await send(app, 'POST', 'users', ada)
  const selects = async () => {
    const samples = await samplesOf(app.metrics, 'db_client_operation_duration_seconds_count')
    return sum(
      samples.filter(
        ({ labels }) =>
          labels.db_operation_name === 'SELECT' && labels.db_collection_name === 'users',
      ),
    )
  }
  const before = await selects()
  const answers = await Promise.all(Array.from({ length: 1000 }, () => get(app, 1)))
  t.equal(answers.filter(({ status, body }) => status === 200 && body.name === 'Ada').length, 1000)
  t.equal(await selects(), before + 1)
  t.same(await redis.keys('*'), ['user:v1:1'])
})

test('every write is seen by the read after it', needsRedis, async (t) => {
  const { app, redis, reads } = await withRedis(t)
  t.equal((await get(app, 1)).status, 404)
  t.equal((await get(app, 1)).status, 404)
  t.match(await reads(), { absent: 1, miss: 1 })
  await send(app, 'POST', 'users', ada)
  const created = await get(app, 1)
  t.match(created.body, ada)
  t.same((await get(app, 1)).text, created.text, 'the etag and every field come from Redis alike')
  t.equal((await reads()).hit, 1)

  await send(app, 'PATCH', 'users/1', { name: 'Countess' })
  t.equal((await get(app, 1)).body.name, 'Countess')
  const rows = [
    { email: ada.email, name: 'Lovelace' },
    { email: 'bob@example.org', name: 'Bob' },
  ]
  t.equal((await get(app, 2)).status, 404)
  const imported = await fetch(`${app.rest.url}/v1/users:import`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: rows.map((user) => JSON.stringify({ user })).join('\n'),
  })
  t.match(await imported.json(), { created: '1', updated: '1' })
  t.equal((await get(app, 1)).body.name, 'Lovelace')
  t.equal((await get(app, 2)).body.name, 'Bob')

  // What is in Redis decides nothing about a write.
  const { etag } = (await get(app, 1)).body
  await redis.copy('user:v1:2', 'user:v1:1', 'REPLACE')
  const matching = { 'if-match': String(etag) }
  t.equal((await send(app, 'DELETE', 'users/1', undefined, matching)).status, 200)
  t.equal((await get(app, 1)).status, 404)
})

test('a frozen Redis fails no call, and one line tells of it', needsRedis, async (t) => {
  const { app, server, reads } = await withRedis(t, {}, '0.3s')
  await send(app, 'POST', 'users', ada)
  await get(app, 1)
  server.freeze()
  t.equal((await get(app, 1)).status, 200)
  const { error, skipped = 0 } = await reads()
  t.equal(error, 1)
  const later = await Promise.all(Array.from({ length: 50 }, () => get(app, 1)))
  t.same(new Set(later.map(({ status }) => status)), new Set([200]))
  t.equal((await send(app, 'PATCH', 'users/1', { name: 'Countess' })).status, 200)
  t.equal((await get(app, 1)).body.name, 'Countess')
  t.equal((await reads()).error, 1, 'nobody else has waited')
  t.ok(((await reads()).skipped ?? 0) > skipped)
  server.thaw()
  await until('a hit', async () => {
    const before = (await reads()).hit
    t.equal((await get(app, 1)).body.name, 'Countess')
    return (await reads()).hit !== before
  })
  const lines = app.log().filter((line) => line.redis !== undefined)
  t.match(lines, [
    { level: 'warn', msg: 'the cache cannot be used, trying again: no answer for 300 ms' },
    { level: 'info', msg: 'Redis can be used again' },
  ])
  t.equal(lines.length, 2)
})

test('a read of a user has the spans of Redis and of its database', needsRedis, async (t) => {
  const memory = spanMemory()
  const { app } = await withRedis(t, { spans: memory.exporter })
  const cold = await memory.of(() => get(app, 1), served(1))
  const layers = ['SERVER GET /v1/users/{id}', '  UserService.GetUser', '    UserUseCase.Get']
  t.same(trees(cold), [
    [
      ...layers,
      '      UserRepo.Find',
      '        CLIENT Redis.GetUser',
      '        CLIENT SELECT users',
      '        CLIENT Redis.SetUser',
    ].join('\n'),
  ])
  const known = await memory.of(() => get(app, 1), served(1))
  t.same(trees(known), [
    [...layers, '      UserRepo.Find', '        CLIENT Redis.GetUser'].join('\n'),
  ])
  const attributes = {
    'db.system.name': 'redis',
    'db.namespace': '1',
    'cache.system': 'redis',
    'cache.operation': 'get',
  }
  t.match(known.find(({ name }) => name === 'Redis.GetUser')?.attributes, attributes)
  const written = await memory.of(() => send(app, 'POST', 'users', ada), served(1))
  t.equal(written.filter(({ name }) => name === 'Redis.DeleteUser').length, 1)
})

test('orders are cached as users are, and a write of one is seen', needsRedis, async (t) => {
  const memory = spanMemory()
  const { app, reads, redis } = await withRedis(t, { storage: 'mysql', spans: memory.exporter })
  await send(app, 'POST', 'users', ada)
  t.equal((await getOrder(app, 1)).status, 404)
  t.equal((await getOrder(app, 1)).status, 404)
  t.match(await reads('Order'), { miss: 1, absent: 1 })
  const items = [
    { product_id: '1', quantity: 3, price: 0.1 },
    { product_id: '2', quantity: 1, price: 2.5 },
  ]
  const created = await memory.of(
    () => send(app, 'POST', 'orders', { user_id: '1', items }),
    served(1),
  )
  t.match(
    trees(created).join('\n'),
    /^ +OrderRepo\.InsertOrder[^]*^ +OrderCache\.UpdateCache\n +CLIENT Redis\.DeleteOrder$/m,
  )
  const selects = (spans: SeenSpan[]) => spans.filter(({ name }) => name === 'SELECT orders').length
  let answers: { status: number; text: string }[] = []
  const reading = await memory.of(async () => {
    answers = await Promise.all(Array.from({ length: 1000 }, () => getOrder(app, 1)))
  }, served(1000))
  t.equal(selects(reading), 1)
  const stored = await getOrder(app, 1)
  const texts = new Set([...answers, stored].map(({ status, text }) => `${status} ${text}`))
  t.same(texts, new Set([`200 ${stored.text}`]), 'Redis gives every field as the database does')
  const found = items.map(({ product_id: productId, ...item }) => ({ productId, ...item }))
  t.match(stored.body, { amount: 2.8, status: 'created', items: found })
  t.ok(await redis.exists('order:v1:1'))

  await send(app, 'POST', 'orders/1:cancel', {})
  t.equal((await getOrder(app, 1)).body.status, 'cancelled')
})
