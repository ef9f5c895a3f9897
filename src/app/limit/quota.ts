import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Conf } from '../../conf/conf.ts'
import type { Logger } from 'pino'
import { RedisError } from '../../data/redis/error.ts'
import { redisPlace } from '../../data/redis/url.ts'
import { identityKey } from '../../call/caller/identity.ts'
import type { Quota } from '../../server/interceptor/quota.ts'
import type { CallerOf } from '../../server/limit/caller.ts'
import { serviceName } from '../service-name.ts'
import type { Watch } from '../watch.ts'

type QuotaConf = Conf['limits']['quota']
type Take = Quota['take']

/** Counts the calls of callers, as openQuota makes it. */
export type OpenQuota = NonNullable<Awaited<ReturnType<typeof openQuota>>>

interface QuotaInit {
  /** Asked at each call, so that rates may change. */
  conf: () => QuotaConf
  /** Finds the caller of a call; left out: see `callers`. */
  callerOf?: CallerOf
  watch: Pick<Watch, 'log' | 'redis' | 'quotaCalls'>
}

/** Makes what counts the calls of callers; undefined, and nothing is loaded, where it is off. */
export async function openQuota({ conf, callerOf, watch }: QuotaInit) {
  if (!conf().enabled) return undefined
  const [{ quota }, { callers }, { rateOf }, { monotonicUs, processBuckets }] = await Promise.all([
    import('../../server/interceptor/quota.ts'),
    import('../../server/limit/caller.ts'),
    import('../../server/limit/gcra.ts'),
    import('../../server/limit/buckets.ts'),
  ])
  const own = processBuckets(monotonicUs)
  const alone: Take = (bucket, rate) => own.take(bucket, rate)
  const shared = await openShared(conf, watch)
  const interceptor = quota({
    callerOf:
      callerOf ??
      callers({
        identityOf: (values) => values.get(identityKey),
        header: () => conf().callerHeader,
      }),
    rateOf(operation) {
      const { rate, burst, operations } = conf()
      return rateOf(operations[operation] ?? rate, durationMs(burst))
    },
    take: shared?.take(alone) ?? alone,
    judged: watch.quotaCalls,
  })
  return {
    interceptor,
    /** For the metrics: whether Redis counts the calls; undefined where none is named. */
    isShared: () => shared?.isUsable(),
    close: () => shared?.close(),
  }
}

/** Counts calls in Redis; undefined where none is named. */
async function openShared(
  conf: () => QuotaConf,
  { log, redis: observe }: Pick<Watch, 'log' | 'redis'>,
) {
  const { redis, tls } = conf()
  const place = redis === '' ? undefined : redisPlace(redis)
  if (place === undefined) return undefined
  const [{ openRedis }, { redisQuota }, { shareOf, verdictOf }] = await Promise.all([
    import('../../data/redis/client.ts'),
    import('../../data/redis/quota.ts'),
    import('../../server/limit/gcra.ts'),
  ])
  const client = openRedis({
    place,
    tls,
    observe,
    changed: (problem) => tell(log, client.description, problem),
  })
  const counted = redisQuota(client, serviceName)
  return {
    /** Counts by `alone`, for the share of this instance, while Redis cannot be used. */
    take: (alone: Take): Take =>
      async function take(bucket, rate, signal) {
        try {
          const { allowed, fullUs } = await counted(bucket, rate, signal)
          return verdictOf(allowed, fullUs, rate)
        } catch (err) {
          if (!(err instanceof RedisError)) throw err
          return alone(bucket, shareOf(rate, conf().instances), signal)
        }
      },
    isUsable: client.isUsable,
    close: () => client.close(),
  }
}

function tell(log: Logger, redis: string, problem: string): void {
  if (problem === '') log.info({ redis }, 'Redis can be used again')
  else
    log.warn(
      { redis, problem },
      `quotas are counted for this instance alone, trying again: ${problem}`,
    )
}
