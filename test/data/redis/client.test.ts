import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { test, type Test } from 'tap'
import { openRedis, type RedisClient, type RedisOptions } from '../../../src/data/redis/client.ts'
import { RedisError } from '../../../src/data/redis/error.ts'
import { redisName, redisPlace, type RedisPlace } from '../../../src/data/redis/url.ts'
import { certificates } from '../../help/certificates.ts'
import { freePort } from '../../../scripts/free-port.ts'
import { placeOf, startRedis, withoutRedis } from '../../help/redis.ts'
import { until } from '../../help/until.ts'

const needsRedis = { skip: withoutRedis }
const read = { name: 'GetThing', operation: 'get' }

/** A client that tries again soon, and what it has told. */
function client(t: Test, place: RedisPlace, options: Partial<RedisOptions> = {}) {
  const told: string[] = []
  const changed = (problem: string) => void told.push(problem)
  // A machine that is busy with other things makes answers late, which is no failure of Redis.
  const redis = openRedis({ place, pauseMs: 50, timeoutMs: 30_000, changed, ...options })
  t.teardown(() => redis.close())
  redis.start()
  return { redis, told }
}

const usable = (redis: RedisClient) => until('a usable Redis', redis.isUsable)
const get = (redis: RedisClient, key: string) => redis.call(read, (driver) => driver.get(key))

async function failure(work: Promise<unknown>): Promise<RedisError> {
  const err: unknown = await work.then(
    () => 'no failure',
    (reason: unknown) => reason,
  )
  if (!(err instanceof RedisError)) throw err
  return err
}

test('calls are answered, and nothing is told of a Redis that is there', needsRedis, async (t) => {
  const { port } = await startRedis(t)
  const { redis, told } = client(t, placeOf(port, { db: 3 }))
  await usable(redis)
  await redis.call({ name: 'SetThing', operation: 'set' }, (driver) => driver.set('a', '1'))
  t.equal(await get(redis, 'a'), '1')
  t.same(told, [])
  t.equal(redis.description, `redis://127.0.0.1:${port}/3`)
  const other = client(t, placeOf(port)).redis
  await usable(other)
  t.equal(await get(other, 'a'), null, 'the database of the URL is used')
})

test('a call that Redis refuses fails, and the next one is sent', needsRedis, async (t) => {
  const { port } = await startRedis(t)
  const { redis, told } = client(t, placeOf(port))
  await usable(redis)
  const secret = 'person@example.org'
  await redis.call(read, (driver) => driver.set('a', secret))
  const err = await failure(redis.call(read, (driver) => driver.lpush('a', secret)))
  t.match(err, { code: 'REDIS_REFUSED', message: /^WRONGTYPE/ })
  t.notMatch(inspect(err, { showHidden: true }), secret)
  t.equal(await get(redis, 'a'), secret)
  t.same(told, [])
})

test(
  'a frozen Redis costs the calls under way their limit, and the next ones nothing',
  needsRedis,
  async (t) => {
    const server = await startRedis(t)
    const { redis, told } = client(t, placeOf(server.port), { timeoutMs: 300 })
    await usable(redis)
    server.freeze()
    const underWay = await Promise.all([failure(get(redis, 'a')), failure(get(redis, 'a'))])
    t.same(
      underWay.map(({ code }) => code),
      ['REDIS_SILENT', 'REDIS_SILENT'],
    )
    let sent = 0
    const next = redis.call(read, async (driver) => {
      sent += 1
      return driver.get('a')
    })
    t.match(await failure(next), { code: 'REDIS_AWAY', message: 'no answer for 300 ms' })
    t.equal(sent, 0)
    server.thaw()
    await usable(redis)
    t.equal(await get(redis, 'a'), null)
    t.same(told, ['no answer for 300 ms', ''])
  },
)

test(
  'a Redis that is away fails calls at once, and is used when it is back',
  needsRedis,
  async (t) => {
    const server = await startRedis(t)
    const { redis, told } = client(t, placeOf(server.port))
    await usable(redis)
    await server.kill()
    await until('the loss', () => !redis.isUsable())
    t.equal((await failure(get(redis, 'a'))).code, 'REDIS_AWAY')
    await server.start()
    await usable(redis)
    t.equal(await get(redis, 'a'), null)
    t.equal(told.at(-1), '')
    t.equal(new Set(told).size, told.length, 'each problem is told once')
  },
)

test('a Redis that is not there at the start is waited for', needsRedis, async (t) => {
  const port = await freePort()
  const { redis, told } = client(t, placeOf(port))
  t.equal((await failure(get(redis, 'a'))).code, 'REDIS_AWAY')
  await until('a word of it', () => told.length > 0)
  t.match(told, [/ECONNREFUSED/])
})

test('a server that is silent from the start is told of', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { redis, told } = client(t, placeOf((server.address() as AddressInfo).port), {
    timeoutMs: 100,
  })
  await until('a word of it', () => told.length > 0)
  t.same(told, ['no answer for 100 ms'])
  t.notOk(redis.isUsable())
})

test('an abort ends the wait of its call only', needsRedis, async (t) => {
  const server = await startRedis(t)
  const { redis } = client(t, placeOf(server.port))
  await usable(redis)
  server.freeze()
  const stop = new AbortController()
  const first = redis.call(read, (driver) => driver.get('a'), stop.signal)
  const second = get(redis, 'a')
  stop.abort(new Error('the caller has gone'))
  await t.rejects(first, { message: 'the caller has gone' })
  server.thaw()
  t.equal(await second, null)
})

test(
  'accounts and databases that Redis does not know are told of, without the password',
  needsRedis,
  async (t) => {
    const { port } = await startRedis(t, ['--requirepass', 'a-secret', '--databases', '2'])
    const known = { password: 'a-secret' }
    const [right, wrong, missing] = [
      client(t, placeOf(port, known)),
      client(t, placeOf(port, { username: 'default', password: 'not-the-secret' })),
      client(t, placeOf(port, { ...known, db: 9 })),
    ]
    await usable(right.redis)
    await until('both problems', () => wrong.told.length > 0 && missing.told.length > 0)
    t.match(wrong.told[0], /^WRONGPASS/)
    t.match(missing.told[0], /DB index is out of range/)
    t.notMatch(wrong.told.join(), 'not-the-secret')
    t.notOk(wrong.redis.isUsable())
    t.notOk(missing.redis.isUsable())
  },
)

test('TLS: a server whose authority is known is used, another is not', needsRedis, async (t) => {
  const authority = certificates(t)
  const { certFile, keyFile } = authority.issue('redis')
  const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile]
  const trust = ['--tls-ca-cert-file', authority.caFile, '--tls-auth-clients', 'yes']
  const { port } = await startRedis(t, ['--port', '0', '--tls-port', 'PORT', ...files, ...trust])
  const place = placeOf(port, { tls: true })
  const own = authority.issue('client')
  const trusting = client(t, place, { tls: { caFile: authority.caFile, ...own } })
  await usable(trusting.redis)
  const { told } = client(t, place)
  await until('a word of it', () => told.length > 0)
  t.match(told[0], /self-signed|unable to|certificate/)
})

test('a Redis is named by a URL or by host and port', async (t) => {
  t.same(redisPlace('cache:7000'), {
    host: 'cache',
    port: 7000,
    db: 0,
    username: '',
    password: '',
    tls: false,
  })
  t.match(redisPlace('redis://:p%40ss@cache/4'), { port: 6379, db: 4, password: 'p@ss' })
  t.match(redisPlace('rediss://app:secret@[::1]:6380'), { host: '::1', username: 'app', tls: true })
})

test('the name of a Redis shows no account', async (t) => {
  const place = redisPlace('rediss://app:secret@[::1]:6380/2')
  t.equal(place && redisName(place), 'rediss://[::1]:6380/2')
})

test('what names no Redis is refused', async (t) => {
  const wrong = [
    '',
    'http://cache:1',
    'redis://',
    'cache:99999',
    'redis://cache/x',
    'redis://%zz@a',
  ]
  for (const text of [...wrong, 'redis://cache:1/0?tls=true', 'redis://cache:1/1/2'])
    t.equal(redisPlace(text), undefined, text)
})
