import { randomUUID } from 'node:crypto'
import type { RedisClient } from './client.ts'
import type { CacheResult } from './observer.ts'
import { redisScript } from './script.ts'

/** How the records of one kind stand in Redis. */
export interface CachedKind<T> {
  /** In names of spans: `User` for `Redis.GetUser`. */
  name: string
  /** Before the id in keys, with the version of the format: `user:v1:`. */
  prefix: string
  encode: (value: T) => Uint8Array
  /** Fails for what is no value of this version. */
  decode: (bytes: Uint8Array) => T
}

/** What was found, and where nothing was: the lease to store something. */
export interface Found<T> {
  result: CacheResult
  value?: T
  lease?: string
}

interface Limits {
  signal: AbortSignal
  leftMs: number
}

interface Entry<T> {
  key: string
  lease: string
  /** Undefined: there is no such record. */
  value: T | undefined
  ttlMs: number
}

/** A read of the database that takes longer is not stored. */
const leaseMs = 5000
const scanCount = 1000

// No message in binary is the first of these alone, and none begins with the second.
const absent = Buffer.from('*')
const leaseMark = '?'

// A reader that finds nothing leaves a lease, and stores what it has read only in place of this lease.
// Every write deletes the key after its commit, and the lease with it, so that a reader which has begun
// before the commit stores nothing.
const readOrLease = redisScript(`local found = redis.call('GET', KEYS[1])
if found then return found end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false`)
const replaceLease = redisScript(`if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`)

/** The values of one kind of records. Each function fails with RedisError. */
export function redisValues<T>(
  redis: RedisClient,
  { name, prefix, encode, decode }: CachedKind<T>,
) {
  const own = randomUUID()
  let leases = 0
  const calls = {
    read: { name: `Get${name}`, operation: 'get' },
    write: { name: `Set${name}`, operation: 'set' },
    remove: { name: `Delete${name}`, operation: 'delete' },
  }

  function found(bytes: unknown, lease: string): Found<T> {
    if (!Buffer.isBuffer(bytes)) return { result: 'miss', lease }
    if (bytes.equals(absent)) return { result: 'absent' }
    // Another process reads it just now, and will store it.
    if (bytes[0] === leaseMark.charCodeAt(0)) return { result: 'miss' }
    try {
      return { result: 'hit', value: decode(bytes) }
    } catch {
      return { result: 'corrupt' }
    }
  }

  return {
    async read(key: string, { signal, leftMs }: Limits): Promise<Found<T>> {
      leases += 1
      const lease = `${leaseMark}${own}${leases}`
      const bytes = await redis.call(
        calls.read,
        (driver) => readOrLease(driver, [key], [lease, leaseMs]),
        signal,
        leftMs,
      )
      return found(bytes, lease)
    },
    /** Stores a value, or that there is none, where the lease is still in force. */
    async write({ key, lease, value, ttlMs }: Entry<T>, { signal, leftMs }: Limits): Promise<void> {
      const bytes = value === undefined ? absent : Buffer.from(encode(value))
      await redis.call(
        calls.write,
        (driver) => replaceLease(driver, [key], [lease, bytes, ttlMs]),
        signal,
        leftMs,
      )
    },
    remove: (keys: readonly string[]) => redis.call(calls.remove, (driver) => driver.del(...keys)),
    /** Deletes the values of all records of this kind. */
    async removeAll(): Promise<void> {
      let cursor = '0'
      do {
        const [next, keys] = await redis.call(calls.remove, (driver) =>
          driver.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', scanCount),
        )
        if (keys.length > 0) await redis.call(calls.remove, (driver) => driver.del(...keys))
        cursor = next
      } while (cursor !== '0')
    },
  }
}
