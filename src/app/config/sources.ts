import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Conf } from '../../conf/conf.ts'
import type { ConfigSource } from '../../fleet/config-source.ts'
import { consulUrl, etcdEndpoints, withScheme } from '../fleet/endpoints.ts'

/** What tells one source from others, and is part of messages. */
export type SourceName = Pick<ConfigSource, 'kind' | 'key'>

/** The kinds of sources that the settings name, in order. */
export function sourceKinds({ sources }: Conf['config']): string[] {
  return sources === '' ? [] : sources.split(',')
}

/** Makes the sources that the settings name; only what they need is loaded. */
export async function openSources(conf: Conf): Promise<ConfigSource[]> {
  return Promise.all(sourceKinds(conf.config).map((kind) => openSource(kind, conf)))
}

async function openSource(kind: string, { config, registry }: Conf): Promise<ConfigSource> {
  const timeoutMs = durationMs(config.timeout)
  if (kind === 'etcd') {
    const { etcdConfigSource } = await import('../../fleet/etcd/config-source.ts')
    const { etcd } = registry
    return etcdConfigSource(config.path, { ...etcd, endpoints: etcdEndpoints(etcd), timeoutMs })
  }
  if (kind === 'consul') {
    const { consulConfigSource } = await import('../../fleet/consul/config-source.ts')
    const { token, datacenter } = registry.consul
    const url = consulUrl(registry.consul)
    return consulConfigSource(config.path, { url, token, datacenter, timeoutMs })
  }
  const { apolloConfigSource } = await import('../../fleet/apollo/config-source.ts')
  const { address, ...apollo } = config.apollo
  return apolloConfigSource({ ...apollo, url: withScheme(address, 'http'), timeoutMs })
}

/** A source as messages have it. */
export function originOf({ kind, key }: SourceName): string {
  return kind === 'file' ? key : `${kind}:${key}`
}
