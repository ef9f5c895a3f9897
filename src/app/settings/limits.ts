import type { Conf } from '../../conf/conf.ts'
import { redisPlace, redisUrlRule } from '../../data/redis/url.ts'
import { certificate, checkPair, type Report } from './file.ts'

/** Checks what the rules of single settings cannot say, without showing an account. */
export function checkLimits({ limits: { shed, quota } }: Conf, report: Report): void {
  if (shed.cpuCritical < shed.cpu)
    report(
      'limits.shed.cpu_critical',
      `found ${shed.cpuCritical}, must be at least limits.shed.cpu, which is ${shed.cpu}`,
    )
  for (const operation of Object.keys(quota.operations))
    if (!/^\/[\w.]+\/\w+$/.test(operation))
      report(
        'limits.quota.operations',
        `found ${JSON.stringify(operation)}, must be operations such as /api.user.v1.User/GetUser`,
      )
  checkRedis(quota, report)
}

function checkRedis({ redis, tls }: Conf['limits']['quota'], report: Report): void {
  const place = redisPlace(redis)
  if (redis !== '' && place === undefined) report('limits.quota.redis', redisUrlRule)
  certificate('limits.quota.tls.ca_file', tls.caFile, report)
  checkPair('limits.quota.tls', tls, report)
  const named = [tls.caFile, tls.certFile, tls.keyFile].some((file) => file !== '')
  if (named && place?.tls === false)
    report('limits.quota.redis', 'must begin with rediss://, since files for TLS are named')
}
