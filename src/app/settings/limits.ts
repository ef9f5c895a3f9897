import type { Conf } from '../../conf/conf.ts'
import { redisPlace, redisUrlRule } from '../../data/redis/url.ts'
import { certificate, checkPair, type Refuse } from './file.ts'

/** Checks what the rules of single settings cannot say, without showing an account. */
export function checkLimits({ limits: { shed, quota } }: Conf, refuse: Refuse): void {
  if (shed.cpuCritical < shed.cpu)
    refuse(
      'limits.shed.cpu_critical',
      `found ${shed.cpuCritical}, must be at least limits.shed.cpu, which is ${shed.cpu}`,
    )
  for (const operation of Object.keys(quota.operations))
    if (!/^\/[\w.]+\/\w+$/.test(operation))
      refuse(
        'limits.quota.operations',
        `found ${JSON.stringify(operation)}, must be operations such as /api.user.v1.User/GetUser`,
      )
  checkRedis(quota, refuse)
}

function checkRedis({ redis, tls }: Conf['limits']['quota'], refuse: Refuse): void {
  const place = redisPlace(redis)
  if (redis !== '' && place === undefined) refuse('limits.quota.redis', redisUrlRule)
  certificate('limits.quota.tls.ca_file', tls.caFile, refuse)
  checkPair('limits.quota.tls', tls, refuse)
  const named = [tls.caFile, tls.certFile, tls.keyFile].some((file) => file !== '')
  if (named && place?.tls === false)
    refuse('limits.quota.redis', 'must begin with rediss://, since files for TLS are named')
}
