import type { RedisClient } from './client.ts'
import { redisScript } from './script.ts'

interface Rate {
  intervalUs: number
  burst: number
}

/** What became of a call, and for how long the caller has something to pay off. */
interface Counted {
  allowed: boolean
  fullUs: number
}

const count = { name: 'CountCall', operation: 'quota' }

// The generic cell rate algorithm, by the clock of Redis, which all instances share. What is kept is the
// time at which the whole burst may come again, and no longer than until then.
const take = redisScript(`local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, debt = tonumber(ARGV[1]), tonumber(ARGV[1]) * tonumber(ARGV[2])
local from = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
from = math.min(math.max(from, now), now + debt)
local full = from + interval
if full - now - debt >= 0.5 then return {0, tostring(from - now)} end
redis.call('SET', KEYS[1], string.format('%.2f', full), 'PX', math.ceil((full - now) / 1000))
return {1, tostring(full - now)}`)

/** Counts calls in Redis. Fails with RedisError, or with the signal's reason. */
export function redisQuota(redis: RedisClient, service: string) {
  return async function counted(
    bucket: string,
    { intervalUs, burst }: Rate,
    signal: AbortSignal,
  ): Promise<Counted> {
    const key = `quota:${service}:${bucket}`
    const answer = await redis.call(
      count,
      (driver) => take(driver, [key], [intervalUs, burst]),
      signal,
    )
    const [allowed, fullUs] = Array.isArray(answer) ? answer.map(Number) : []
    return { allowed: allowed === 1, fullUs: fullUs ?? 0 }
  }
}
