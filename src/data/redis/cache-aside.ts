import { deletions } from './deletions.ts'
import type { RedisClient } from './client.ts'
import { RedisError } from './error.ts'
import { type Boarding, flights } from './flights.ts'
import type { CacheResult } from './observer.ts'
import { type CachedKind, type Found, redisValues } from './values.ts'

/** How long what is in Redis stays there. */
export interface CacheTimes {
  /** A record; ten per cent more or less, so that records that came together do not go together. */
  ttlMs: number
  /** The note that there is no such record. */
  absentMs: number
}

interface CacheOptions<T> {
  redis: RedisClient
  kind: CachedKind<T>
  times: CacheTimes
  /** Told what became of each read. */
  read?: (result: CacheResult) => void
}

/** The records of one kind with Redis before their database, as cacheAside makes it. */
export interface CacheAside<Key, T> {
  /**
   * The record from Redis, else what `load` reads; undefined where there is none. Callers of one key
   * share a read that has not begun. Fails as `load` does, or with the signal's reason; never because of
   * Redis.
   */
  get: (
    key: Key,
    load: (signal: AbortSignal) => Promise<T | undefined>,
    signal: AbortSignal,
  ) => Promise<T | undefined>
  /**
   * To be called after each write, before it is answered. `isOver` is false where the write has failed
   * and may still come. Never fails.
   */
  changed: (keys: readonly Key[], isOver: boolean) => Promise<void>
  close: () => Promise<void>
}

/** Keeps records in Redis beside their database, which stays the only place that is written. */
export function cacheAside<Key extends bigint | string, T>({
  redis,
  kind,
  times,
  read = () => undefined,
}: CacheOptions<T>): CacheAside<Key, T> {
  const stored = redisValues(redis, kind)
  const flying = flights<T | undefined>()
  const gone = deletions(stored)
  const keyOf = (key: Key) => `${kind.prefix}${key}`

  async function found(key: string, spend: Budget, signal: AbortSignal): Promise<Found<T>> {
    if (gone.has(key) || !redis.isUsable()) return { result: 'skipped' }
    try {
      return await spend((leftMs) => stored.read(key, { signal, leftMs }))
    } catch (err) {
      if (!(err instanceof RedisError)) throw err
      return { result: 'error' }
    }
  }

  /** Looks again for those that have come meanwhile: the first answer may be from before a write of theirs. */
  async function foundForAll(key: string, spend: Budget, boarding: Boarding): Promise<Found<T>> {
    const { signal, joined, close } = boarding
    const before = joined()
    const first = await found(key, spend, signal)
    if (!isAnswer(first) || joined() === before) return first
    close()
    return found(key, spend, signal)
  }

  async function through(
    key: string,
    load: (signal: AbortSignal) => Promise<T | undefined>,
    boarding: Boarding,
  ): Promise<T | undefined> {
    const { signal, close } = boarding
    const spend = budget(redis.timeoutMs)
    const entry = await foundForAll(key, spend, boarding)
    const { result, value, lease } = entry
    read(result)
    if (isAnswer(entry)) return value
    if (result === 'corrupt') void gone.delete([key], true)
    close()
    const loaded = await load(signal)
    if (lease === undefined || gone.has(key)) return loaded
    const ttlMs = loaded === undefined ? times.absentMs : jittered(times.ttlMs)
    await spend((leftMs) =>
      stored.write({ key, lease, value: loaded, ttlMs }, { signal, leftMs }),
    ).catch(unlessRedis)
    return loaded
  }

  return {
    get(id, load, signal) {
      const key = keyOf(id)
      if (flying.has(key)) read('shared')
      return flying.get(key, (boarding) => through(key, load, boarding), signal)
    },
    changed(ids, isOver) {
      const keys = ids.map(keyOf)
      // A read that has begun before the write is none for callers that come after it.
      for (const key of keys) flying.drop(key)
      return gone.delete(keys, isOver)
    },
    close: gone.close,
  }
}

/** Runs one of the steps of a read, which gets the milliseconds that all of them have left. */
type Budget = <T>(step: (leftMs: number) => Promise<T>) => Promise<T>

function budget(leftMs: number): Budget {
  return async function spend(step) {
    const since = performance.now()
    try {
      return await step(leftMs)
    } finally {
      leftMs -= performance.now() - since
    }
  }
}

function isAnswer({ result }: Found<unknown>): boolean {
  return result === 'hit' || result === 'absent'
}

function jittered(ms: number): number {
  return Math.round(ms * (0.9 + Math.random() / 5))
}

function unlessRedis(err: unknown): void {
  if (!(err instanceof RedisError)) throw err
}
