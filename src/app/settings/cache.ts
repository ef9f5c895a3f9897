import type { Conf } from '../../conf/conf.ts'
import { redisPlace, redisUrlRule } from '../../data/redis/url.ts'
import { certificate, checkPair, namesFile, type Refuse } from './file.ts'

/** Checks where Redis is, without showing an account. */
export function checkCache({ redis, tls }: Conf['cache'], refuse: Refuse): void {
  const place = redisPlace(redis)
  if (redis !== '' && place === undefined) refuse('cache.redis', redisUrlRule)
  certificate('cache.tls.ca_file', tls.caFile, refuse)
  checkPair('cache.tls', tls, refuse)
  if (namesFile(tls) && place?.tls === false)
    refuse('cache.redis', 'must begin with rediss://, since files for TLS are named')
}
