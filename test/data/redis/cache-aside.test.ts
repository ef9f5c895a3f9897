import { mock } from 'node:test'
import { setImmediate as others } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { test, type Test } from 'tap'
import { cacheAside } from '../../../src/data/redis/cache-aside.ts'
import { openRedis } from '../../../src/data/redis/client.ts'
import { deletions } from '../../../src/data/redis/deletions.ts'
import type { CacheResult } from '../../../src/data/redis/observer.ts'
import { placeOf, startRedis, withoutRedis } from '../../help/redis.ts'
import { until } from '../../help/until.ts'

const needsRedis = { skip: withoutRedis }
const never = new AbortController().signal

/** Texts in Redis; one that begins with `!` is none of them. */
const texts = {
  name: 'Text',
  prefix: 'text:v1:',
  encode: (text: string) => Buffer.from(`=${text}`),
  decode(bytes: Uint8Array) {
    const text = Buffer.from(bytes).toString()
    if (!text.startsWith('=')) throw new Error('no text')
    return text.slice(1)
  },
}

/** A database of texts that counts its reads, each of which may be held up. */
function database() {
  const rows = new Map<bigint, string>()
  let hold: Promise<void> | undefined
  const db = {
    rows,
    reads: 0,
    signals: [] as AbortSignal[],
    /** Reads take what they find, and give it when they are let go. */
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      hold = promise
      return () => {
        hold = undefined
        resolve()
      }
    },
    load: (id: bigint) => async (signal: AbortSignal) => {
      db.reads += 1
      db.signals.push(signal)
      const text = rows.get(id)
      await hold
      return text
    },
  }
  return db
}

/** The cache of one process, its database, and a connection that looks into Redis. */
async function cached(t: Test, port: number, db = database(), timeoutMs = 30_000) {
  const redis = openRedis({ place: placeOf(port), pauseMs: 50, timeoutMs })
  const results: CacheResult[] = []
  const cache = cacheAside<bigint, string>({
    redis,
    kind: texts,
    times: { ttlMs: 60_000, absentMs: 10_000 },
    read: (result) => results.push(result),
  })
  t.teardown(async () => {
    await cache.close()
    redis.close()
  })
  await until('Redis', redis.isUsable)
  const get = (id: bigint, signal = never) => cache.get(id, db.load(id), signal)
  async function write(id: bigint, text: string): Promise<void> {
    db.rows.set(id, text)
    await cache.changed([id], true)
  }
  return { redis, cache, db, results, get, write }
}

function looking(t: Test, port: number): Redis {
  const redis = new Redis(port, '127.0.0.1')
  t.teardown(() => redis.disconnect())
  return redis
}

test('a record is read from its database once', needsRedis, async (t) => {
  const { port } = await startRedis(t)
  const { db, get, results } = await cached(t, port)
  db.rows.set(1n, 'one')
  t.equal(await get(1n), 'one')
  t.equal(await get(1n), 'one')
  t.equal(db.reads, 1)
  t.same(results, ['miss', 'hit'])
  const inside = looking(t, port)
  t.equal(await inside.get('text:v1:1'), '=one')
  const ttl = await inside.pttl('text:v1:1')
  t.ok(ttl > 50_000 && ttl <= 66_000, String(ttl))
})

test('a thousand callers of a cold key share one read', needsRedis, async (t) => {
  const { port } = await startRedis(t)
  const { db, get } = await cached(t, port)
  db.rows.set(1n, 'one')
  const found = await Promise.all(Array.from({ length: 1000 }, () => get(1n)))
  t.same(new Set(found), new Set(['one']))
  t.equal(db.reads, 1)
})

test('a caller that gives up fails alone, the first one too', needsRedis, async (t) => {
  const { port } = await startRedis(t)
  const { db, get } = await cached(t, port)
  db.rows.set(1n, 'one')
  const release = db.hold()
  const [leader, follower] = [new AbortController(), new AbortController()]
  const [first, second] = [get(1n, leader.signal), get(1n, follower.signal)]
  await until('the read', () => db.reads === 1)
  leader.abort(new Error('the leader has gone'))
  await t.rejects(first, { message: 'the leader has gone' })
  t.notOk(db.signals[0]?.aborted, 'the read goes on for the other')
  release()
  t.equal(await second, 'one')

  const releaseAgain = db.hold()
  const alone = get(2n, follower.signal)
  await until('the read', () => db.reads === 2)
  follower.abort(new Error('nobody waits'))
  await t.rejects(alone, { message: 'nobody waits' })
  t.ok(db.signals[1]?.aborted, 'a read that nobody waits for ends')
  releaseAgain()
})

test('a failed read fails those that share it, and is not kept', needsRedis, async (t) => {
  const { port } = await startRedis(t)
  const { cache, db, get } = await cached(t, port)
  const fail = async () => Promise.reject(new Error('no database'))
  const both = [cache.get(1n, fail, never), cache.get(1n, fail, never)]
  for (const each of both) await t.rejects(each, { message: 'no database' })
  db.rows.set(1n, 'one')
  t.equal(await get(1n), 'one')
})

test('an insert right after the note that there is none is visible', needsRedis, async (t) => {
  const { port } = await startRedis(t)
  const here = await cached(t, port)
  const there = await cached(t, port, here.db)
  t.equal(await here.get(1n), undefined)
  t.equal(await there.get(1n), undefined)
  t.same(there.results, ['absent'], 'the other process reads the note')
  const inside = looking(t, port)
  t.equal(await inside.get('text:v1:1'), '*')
  t.ok((await inside.pttl('text:v1:1')) <= 10_000)
  await here.write(1n, 'one')
  t.equal(await here.get(1n), 'one')
  t.equal(await there.get(1n), 'one')
})

test(
  'a read that has begun before a write does not store what it has found',
  needsRedis,
  async (t) => {
    const { port } = await startRedis(t)
    const db = database()
    const [reader, writer] = [await cached(t, port, db), await cached(t, port, db)]
    db.rows.set(1n, 'old')
    for (const process of [reader, writer]) {
      const release = db.hold()
      const before = db.reads
      const early = process.get(1n)
      await until('the read', () => db.reads > before)
      await writer.write(1n, 'new')
      release()
      t.equal(await early, 'old', 'its call has begun before the write, too')
      t.equal(await looking(t, port).get('text:v1:1'), null)
      t.equal(await process.get(1n), 'new')
      await writer.write(1n, 'old')
    }
  },
)

test(
  'a caller that comes after a write does not share a read from before it',
  needsRedis,
  async (t) => {
    const { port } = await startRedis(t)
    const { db, get, write } = await cached(t, port)
    db.rows.set(1n, 'old')
    const release = db.hold()
    const early = get(1n)
    await until('the read', () => db.reads === 1)
    await write(1n, 'new')
    const late = get(1n)
    release()
    t.same([await early, await late], ['old', 'new'])
  },
)

test(
  'a caller that comes after a write through another process does not share a read from before it',
  needsRedis,
  async (t) => {
    const { port } = await startRedis(t)
    const db = database()
    const [reader, writer] = [await cached(t, port, db), await cached(t, port, db)]
    db.rows.set(1n, 'old')
    const release = db.hold()
    const early = reader.get(1n)
    await until('the read', () => db.reads === 1)
    await writer.write(1n, 'new')
    const late = reader.get(1n)
    release()
    t.same([await early, await late], ['old', 'new'])
  },
)

test(
  'a caller that comes after a write does not share an answer of Redis from before it',
  needsRedis,
  async (t) => {
    const { port } = await startRedis(t)
    const { db, get, redis, write } = await cached(t, port)
    db.rows.set(1n, 'old')
    t.equal(await get(1n), 'old')
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    let answers = 0
    async function call<T>(...args: Parameters<typeof redis.call<T>>): Promise<T> {
      const answer = await redis.call(...args)
      answers += 1
      await held
      return answer
    }
    const times = { ttlMs: 60_000, absentMs: 10_000 }
    const slow = cacheAside<bigint, string>({ redis: { ...redis, call }, kind: texts, times })
    const early = slow.get(1n, db.load(1n), never)
    await until('the answer', () => answers === 1)
    await write(1n, 'new')
    const late = slow.get(1n, db.load(1n), never)
    release()
    await early
    t.equal(await late, 'new')
    await slow.close()
  },
)

test(
  'a value that cannot be read is deleted, and read from the database',
  needsRedis,
  async (t) => {
    const { port } = await startRedis(t)
    const { db, get, results } = await cached(t, port)
    db.rows.set(1n, 'one')
    const inside = looking(t, port)
    await inside.set('text:v1:1', '!broken')
    // Reads go past Redis until its answer to the deletion has come.
    await until('a hit', async () => {
      t.equal(await get(1n), 'one')
      return results.includes('hit')
    })
    t.same(
      results.filter((result) => result !== 'skipped'),
      ['corrupt', 'miss', 'hit'],
    )
    await inside.del('text:v1:1')
    await inside.lpush('text:v1:1', 'a list')
    t.equal(await get(1n), 'one', 'the key of something else')
  },
)

test(
  'a write that a frozen Redis was not told of is seen in its process, and in all when it is back',
  needsRedis,
  async (t) => {
    const server = await startRedis(t)
    const db = database()
    const [here, there] = [
      await cached(t, server.port, db, 300),
      await cached(t, server.port, db, 300),
    ]
    db.rows.set(1n, 'old')
    t.equal(await here.get(1n), 'old')
    server.freeze()
    await here.write(1n, 'new')
    t.equal(await here.get(1n), 'new')
    t.equal(await there.get(1n), 'new')
    server.thaw()
    await until('Redis', here.redis.isUsable)
    t.equal(
      await here.get(1n),
      'new',
      'as long as the key is not deleted, its process does not read it',
    )
    await until('Redis', there.redis.isUsable)
    const inside = looking(t, server.port)
    await until('the deletion', async () => (await inside.get('text:v1:1')) !== '=old')
    t.equal(await there.get(1n), 'new')
  },
)

test(
  'a Redis that is killed and back costs reads of the database, and nothing else',
  needsRedis,
  async (t) => {
    const server = await startRedis(t)
    const { db, get, redis, write } = await cached(t, server.port)
    db.rows.set(1n, 'one')
    t.equal(await get(1n), 'one')
    await server.kill()
    await until('the loss', () => !redis.isUsable())
    const reads = db.reads
    const found = await Promise.all(Array.from({ length: 100 }, () => get(1n)))
    t.same(new Set(found), new Set(['one']))
    t.equal(db.reads, reads + 1, 'callers share reads without it, too')
    await write(1n, 'two')
    await server.start()
    await until('Redis', redis.isUsable)
    t.equal(await get(1n), 'two')
    await until('a hit', async () => {
      const before = db.reads
      return (await get(1n)) === 'two' && db.reads === before
    })
  },
)

test('a Redis that is emptied under load has each record read once more', needsRedis, async (t) => {
  const { port } = await startRedis(t)
  const { db, get } = await cached(t, port)
  const ids = Array.from({ length: 20 }, (_, i) => BigInt(i + 1))
  for (const id of ids) db.rows.set(id, `text ${id}`)
  await Promise.all(ids.map((id) => get(id)))
  const inside = looking(t, port)
  const found = new Set<boolean>()
  let calls = 0
  async function load(): Promise<void> {
    for (let i = 0; i < 100; i += 1) {
      const call = (calls += 1)
      const id = ids[call % ids.length] ?? 0n
      found.add((await get(id)) === `text ${id}`)
      if (call % 500 === 0) await inside.flushall()
    }
  }
  const flushes = 4
  await Promise.all(Array.from({ length: 20 }, load))
  t.same([...found], [true])
  t.ok(db.reads > ids.length, 'it was emptied')
  t.ok(db.reads <= ids.length * (flushes + 1), `${db.reads} reads for ${calls} calls`)
})

/** Deletions that always succeed, at which virtual second each was, and a way to let seconds pass. */
function timed(t: Test, maxKeys: number) {
  const { timers } = mock
  timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => timers.reset())
  let now = 0
  const removed: string[] = []
  const gone = deletions({
    remove: async (keys) => void removed.push(`${now}: ${keys.join(' ')}`),
    removeAll: async () => void removed.push(`${now}: all`),
    maxKeys,
  })
  async function pass(seconds: number): Promise<void> {
    for (const end = now + seconds; now < end;) {
      now += 1
      timers.tick(1000)
      await others()
    }
  }
  return { gone, removed, pass }
}

test('a key whose write may still come is deleted again, for minutes', async (t) => {
  const { gone, removed, pass } = timed(t, 1)
  await gone.delete(['a'], true)
  await pass(1000)
  t.same(removed, ['0: a'])
  await gone.delete(['b'], false)
  await pass(1000)
  const seconds = [1000, 1001, 1004, 1013, 1040, 1121, 1364]
  t.same(
    removed.slice(1),
    seconds.map((second) => `${second}: b`),
  )
  await gone.close()
})

test('past many keys whose writes may still come, all are deleted again', async (t) => {
  const { gone, removed, pass } = timed(t, 2)
  for (const key of ['a', 'b', 'c', 'd']) await gone.delete([key], false)
  await pass(20)
  t.same(
    removed.filter((each) => /all|[cd]/.test(each)),
    ['0: c', '0: d', '1: all', '4: all', '13: all'],
  )
  await gone.delete(['e'], false)
  await pass(1000)
  t.same(removed.filter((each) => /all|e/.test(each)).slice(3), [
    '20: e',
    ...[21, 24, 33, 60, 141, 384].map((second) => `${second}: all`),
  ])
  t.notOk(gone.has('e'))
  removed.length = 0
  await gone.delete(['f'], false)
  await pass(1)
  t.same(removed, ['1020: f', '1021: f'], 'when those are over, keys are remembered again')
  await gone.close()
})

test(
  'past many keys that could not be deleted, none is read until all are',
  needsRedis,
  async (t) => {
    const { port } = await startRedis(t)
    const inside = looking(t, port)
    let isAway = true
    const attempt = async (work: () => Promise<unknown>) => {
      if (isAway) throw new Error('away')
      return work()
    }
    const gone = deletions({
      remove: (keys) => attempt(() => inside.del(...keys)),
      removeAll: () => attempt(() => inside.flushall()),
      pauseMs: 10,
      maxKeys: 2,
    })
    await inside.mset('a', '1', 'b', '1', 'c', '1')
    for (const key of ['a', 'b']) await gone.delete([key], true)
    t.same([gone.has('a'), gone.has('d')], [true, false])
    await gone.delete(['c'], true)
    t.ok(gone.has('d'))
    isAway = false
    await until('the deletion', () => !gone.has('d') && !gone.has('a'))
    t.same(await inside.keys('*'), [])
    await gone.close()
  },
)

test('a key whose deletion fails after all were deleted is still one to be deleted', async (t) => {
  const { timers } = mock
  timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => timers.reset())
  const away = async () => Promise.reject(new Error('away'))
  const all = Promise.withResolvers<void>()
  const one = Promise.withResolvers<void>()
  let remove: (keys: readonly string[]) => Promise<unknown> = away
  const gone = deletions({
    remove: (keys) => remove(keys),
    removeAll: () => all.promise,
    maxKeys: 1,
  })
  await gone.delete(['a'], true)
  await gone.delete(['b'], true)
  timers.tick(1000)
  remove = () => one.promise
  const written = gone.delete(['c'], true)
  all.resolve()
  await others()
  t.same([gone.has('d'), gone.has('c')], [false, true])
  one.reject(new Error('no answer'))
  await written
  t.ok(gone.has('c'))
  const removed: string[] = []
  remove = async (keys) => removed.push(...keys)
  timers.tick(1000)
  await others()
  t.same(removed, ['c'])
  t.notOk(gone.has('c'))
  await gone.close()
})
