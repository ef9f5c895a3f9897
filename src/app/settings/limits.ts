import type { Conf } from '../../conf/conf.ts'
import { redisPlace, redisUrlRule } from '../../data/redis/url.ts'
import { certificate, checkPair, type Report } from './file.ts'
import { unknownOperation } from './operations.ts'

/** Checks what the rules of single settings cannot say, without showing an account. */
export function checkLimits(conf: Conf, report: Report): void {
  const { shed, quota } = conf.limits
  if (shed.cpuCritical < shed.cpu)
    report(
      'limits.shed.cpu_critical',
      `found ${shed.cpuCritical}, must be at least limits.shed.cpu, which is ${shed.cpu}`,
    )
  checkOperations(conf, report)
  checkRedis(quota, report)
}

function checkOperations(conf: Conf, report: Report): void {
  for (const each of Object.keys(conf.limits.quota.operations)) {
    const problem = /^\/[\w.]+\/\w+$/.test(each)
      ? unknownOperation(each, conf)
      : 'must be operations such as /api.user.v1.User/GetUser'
    if (problem !== undefined)
      report('limits.quota.operations', `found ${JSON.stringify(each)}, ${problem}`)
  }
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
