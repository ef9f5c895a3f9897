import type { CacheResult, ObserveRedis, RedisCall } from '../../../data/redis/observer.ts'
import { errorType } from '../../error-type.ts'
import { databaseSeconds } from '../buckets.ts'
import {
  type Count,
  counts,
  type Distribution,
  distributions,
  type Family,
  record,
} from '../family.ts'

/** Tells what became of a read of a cache. */
export type CacheReads = (result: CacheResult) => void

/** Times exchanges with Redis, and counts the reads of caches by what became of them. */
export function redisMetrics() {
  const seconds = distributions(
    {
      name: 'redis.client.operation.duration',
      description: 'Time of exchanges with Redis, those too that got no answer',
      unit: 's',
    },
    databaseSeconds,
  )
  const reads = counts({
    name: 'cache.reads',
    description: 'Reads of records that are cached, by what became of them',
    unit: '{read}',
  })

  const seriesOf = seriesByCall(seconds)
  const observe: ObserveRedis = () => ({
    async call(call, run) {
      const since = performance.now()
      const end = (type: string) => record(seriesOf(call, type), (performance.now() - since) / 1000)
      try {
        const result = await run()
        end('')
        return result
      } catch (err) {
        end(errorType(err))
        throw err
      }
    },
  })

  return {
    observe,
    /** Gives the counter of the reads of one kind of records. */
    cacheReads: (kind: string): CacheReads => {
      const series = new Map<CacheResult, Count>()
      return function count(result) {
        const one = series.get(result) ?? reads.series({ cache: kind, result })
        series.set(result, one)
        one.value += 1
      }
    },
    families: [seconds, reads] as Family<unknown>[],
  }
}

function seriesByCall(seconds: Family<Distribution>) {
  const known = new Map<string, Distribution>()
  return function seriesOf({ name, operation }: RedisCall, type: string): Distribution {
    const key = `${name} ${type}`
    const labels = { name, operation, ...(type !== '' && { 'error.type': type }) }
    const series = known.get(key) ?? seconds.series(labels)
    known.set(key, series)
    return series
  }
}
