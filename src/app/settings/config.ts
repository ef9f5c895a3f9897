import type { Conf } from '../../conf/conf.ts'
import { sourceKinds } from '../config/sources.ts'
import { isServer, withScheme } from '../fleet/endpoints.ts'
import type { Report } from './file.ts'
import { checkConsul, checkEtcd } from './registry.ts'

/** Checks how the sources of settings are reached. */
export function checkConfig({ config, registry }: Conf, report: Report): void {
  const kinds = sourceKinds(config)
  if (new Set(kinds).size < kinds.length)
    report('config.sources', `found ${JSON.stringify(config.sources)}, must name each source once`)
  // The registry's own check has told it already where it is the same one.
  if (kinds.includes('etcd') && registry.kind !== 'etcd') checkEtcd(registry.etcd, report)
  if (kinds.includes('consul') && registry.kind !== 'consul') checkConsul(registry.consul, report)
  if (kinds.includes('apollo')) checkApollo(config.apollo, report)
}

function checkApollo(apollo: Conf['config']['apollo'], report: Report): void {
  const { address, appId, cluster, namespace } = apollo
  if (!isServer(withScheme(address, 'http')))
    report(
      'config.apollo.address',
      `found ${JSON.stringify(address)}, must be the config service, such as apollo:8080`,
    )
  const names = { app_id: appId, cluster }
  for (const [name, value] of Object.entries(names))
    if (value === '') report(`config.apollo.${name}`, 'found nothing, must be a name')
  if (!/\.(?:ya?ml)$/.test(namespace))
    report(
      'config.apollo.namespace',
      `found ${JSON.stringify(namespace)}, must end in .yaml or .yml, as namespaces of YAML do`,
    )
}
