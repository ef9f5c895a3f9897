import type { Conf } from '../../conf/conf.ts'
import { redisPlace, redisUrlRule } from '../../data/redis/url.ts'
import { certificate, checkPair, namesFile, type Report } from './file.ts'

/** Checks where Redis is, without showing an account. */
export function checkCache({ redis, tls }: Conf['cache'], report: Report): void {
  const place = redisPlace(redis)
  if (redis !== '' && place === undefined) report('cache.redis', redisUrlRule)
  certificate('cache.tls.ca_file', tls.caFile, report)
  checkPair('cache.tls', tls, report)
  if (namesFile(tls) && place?.tls === false)
    report('cache.redis', 'must begin with rediss://, since files for TLS are named')
}
