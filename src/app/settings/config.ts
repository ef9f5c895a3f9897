import type { Conf } from '../../conf/conf.ts'
import { sourceKinds } from '../config/sources.ts'
import { isServer, withScheme } from '../fleet/endpoints.ts'
import type { Refuse } from './file.ts'
import { checkConsul, checkEtcd } from './registry.ts'

/** Checks how the sources of settings are reached. */
export function checkConfig({ config, registry }: Conf, refuse: Refuse): void {
  const kinds = sourceKinds(config)
  if (new Set(kinds).size < kinds.length)
    refuse('config.sources', `found ${JSON.stringify(config.sources)}, must name each source once`)
  // The registry's own check has told it already where it is the same one.
  if (kinds.includes('etcd') && registry.kind !== 'etcd') checkEtcd(registry.etcd, refuse)
  if (kinds.includes('consul') && registry.kind !== 'consul') checkConsul(registry.consul, refuse)
  if (kinds.includes('apollo')) checkApollo(config.apollo, refuse)
}

function checkApollo(apollo: Conf['config']['apollo'], refuse: Refuse): void {
  const { address, appId, cluster, namespace } = apollo
  if (!isServer(withScheme(address, 'http')))
    refuse(
      'config.apollo.address',
      `found ${JSON.stringify(address)}, must be the config service, such as apollo:8080`,
    )
  const names = { app_id: appId, cluster }
  for (const [name, value] of Object.entries(names))
    if (value === '') refuse(`config.apollo.${name}`, 'found nothing, must be a name')
  if (!/\.(?:ya?ml)$/.test(namespace))
    refuse(
      'config.apollo.namespace',
      `found ${JSON.stringify(namespace)}, must end in .yaml or .yml, as namespaces of YAML do`,
    )
}
