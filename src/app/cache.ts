import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Conf } from '../conf/conf.ts'
import type { CacheAside } from '../data/redis/cache-aside.ts'
import { redisPlace } from '../data/redis/url.ts'
import type { CachedKind } from '../data/redis/values.ts'
import type { Watch } from './watch.ts'

/** Keeps records in Redis, as openCache makes it. */
export type Cache = NonNullable<Awaited<ReturnType<typeof openCache>>>

/** Makes the connection to Redis; undefined, and nothing is loaded, where none is named. */
export async function openCache(
  { redis, tls, timeout, ...given }: Conf['cache'],
  {
    log,
    traced,
    redis: observe,
    cacheReads,
  }: Pick<Watch, 'log' | 'traced' | 'redis' | 'cacheReads'>,
) {
  const place = redis === '' ? undefined : redisPlace(redis)
  if (place === undefined) return undefined
  const [{ openRedis }, { cacheAside }] = await Promise.all([
    import('../data/redis/client.ts'),
    import('../data/redis/cache-aside.ts'),
  ])
  const times = { ttlMs: durationMs(given.ttl), absentMs: durationMs(given.absentTtl) }
  const client = openRedis({ place, tls, timeoutMs: durationMs(timeout), observe, changed })
  const open: { close: () => Promise<void> }[] = []

  function changed(problem: string): void {
    const fields = { redis: client.description }
    if (problem === '') log.info(fields, 'Redis can be used again')
    else log.warn({ ...fields, problem }, `the cache cannot be used, trying again: ${problem}`)
  }

  return {
    /** The cache of the records of one kind. */
    of<T>(kind: CachedKind<T>): CacheAside<bigint, T> {
      const cache = cacheAside<bigint, T>({
        redis: client,
        kind,
        times,
        read: cacheReads(kind.name),
      })
      open.push(cache)
      const { updateCache } = traced(`${kind.name}Cache`, { updateCache: cache.changed })
      return { ...cache, changed: updateCache }
    },
    /** Connects in the background. */
    start: client.start,
    /** For the metrics. */
    isUsable: client.isUsable,
    /** Deletes what is still to be deleted, and ends the connection. */
    async close(): Promise<void> {
      await Promise.all(open.map((cache) => cache.close()))
      client.close()
    },
  }
}

/** What finds records of one kind by their ids. */
interface Finding<T> {
  find: (id: bigint, signal: AbortSignal) => Promise<T | undefined>
}

/** The same repository, which finds a record in the cache first. What its writes check is not read there. */
export function throughCache<T, Repo extends Finding<T>>(
  repo: Repo,
  cached: CacheAside<bigint, T> | undefined,
): Repo {
  if (cached === undefined) return repo
  return {
    ...repo,
    find: (id, signal) => cached.get(id, (shared) => repo.find(id, shared), signal),
  }
}
