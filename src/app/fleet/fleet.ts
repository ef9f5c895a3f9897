import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Conf } from '../../conf/conf.ts'
import { SettingError } from '../../conf/error.ts'
import type { Discovery, Instance, Registrar } from '../../fleet/registry.ts'
import type { Report } from '../../fleet/report.ts'
import type { Readiness } from '../../server/health/readiness.ts'
import type { Watch } from '../watch.ts'
import {
  advertisedAddress,
  advertisedHost,
  advertiseProblem,
  announces,
  ownAddresses,
} from './advertise.ts'
import { consulUrl, etcdEndpoints } from './endpoints.ts'
import { membership } from './membership.ts'
import { fleetReport } from './report.ts'

interface FleetInit {
  conf: Conf
  version: string
  ready: Readiness
  watch: Watch
}

/** This process among its peers, as openFleet makes it. */
export type Fleet = NonNullable<Awaited<ReturnType<typeof openFleet>>>

/** Makes the clients of the registry; undefined, and nothing is loaded, where it is off. */
export async function openFleet({ conf, version, ready, watch }: FleetInit) {
  const { registry } = conf
  if (registry.kind === 'off') return undefined
  const { report, state } = fleetReport(registry.kind, watch)
  const { registrar, discovery } = await openRegistry(registry, report)
  const timeoutMs = durationMs(registry.timeout)
  const unreadyAfterMs = durationMs(registry.unreadyAfter)
  const member = registrar && membership({ registrar, ready, unreadyAfterMs, timeoutMs })
  return {
    /** Finds other services. */
    discovery,
    /** For the metrics. */
    state,
    /** Announces this instance while it is ready; to be called when the ports listen. */
    join: (ports: ListeningPorts) => member?.join(instanceOf(conf, version, ports)),
    /** Takes the announcement back, within the time of one call. */
    leave: async () => member?.leave(),
    close: () => discovery.close(),
  }
}

/**
 * Makes the clients of the registry that the settings name. There is no registrar where nothing is to be
 * announced.
 */
async function openRegistry(
  conf: Conf['registry'],
  report: Report,
): Promise<{ registrar?: Registrar; discovery: Discovery }> {
  const made = await registryOf(conf, report)
  return announces(conf) ? made : { discovery: made.discovery }
}

async function registryOf(
  conf: Conf['registry'],
  report: Report,
): Promise<{ registrar?: Registrar; discovery: Discovery }> {
  const timeoutMs = durationMs(conf.timeout)
  if (conf.kind === 'etcd') {
    const { etcdRegistry } = await import('../../fleet/etcd/registry.ts')
    const { etcd, goZeroKey, kitexName } = conf
    const names = { namespace: etcd.namespace, goZeroKey, kitexName }
    const ttl = durationMs(conf.ttl) / 1000
    return etcdRegistry({ ...etcd, endpoints: etcdEndpoints(etcd), names, ttl, timeoutMs }, report)
  }
  if (conf.kind === 'consul') {
    const { consulRegistry } = await import('../../fleet/consul/registry.ts')
    return consulRegistry({ ...consulOptions(conf.consul), timeoutMs }, report)
  }
  const { kubernetesDiscovery } = await import('../../fleet/kubernetes/discovery.ts')
  return { discovery: kubernetesDiscovery({ ...conf.kubernetes, timeoutMs }, report) }
}

function consulOptions(consul: Conf['registry']['consul']) {
  const { token, datacenter, checkInterval, deregisterAfter } = consul
  const seconds = [checkInterval, deregisterAfter].map((each) => durationMs(each) / 1000)
  const [interval = 0, kept = 0] = seconds
  const checks = { interval, deregisterAfter: kept }
  return { url: consulUrl(consul), token, datacenter, checks }
}

interface ListeningPorts {
  http: AddressInfo
  grpc: AddressInfo
}

function instanceOf({ registry, server }: Conf, version: string, ports: ListeningPorts): Instance {
  const addresses = ownAddresses()
  const secure = server.tls.certFile === '' ? '' : 's'
  const endpoint = (scheme: string, addr: string, { port }: AddressInfo) => {
    const host = advertisedHost(registry, addr, addresses)
    if (host === undefined)
      throw new SettingError('registry.advertise', advertiseProblem(addresses))
    return `${scheme}${secure}://${advertisedAddress(host, port)}`
  }
  return {
    id: registry.id === '' ? hostname() : registry.id,
    name: registry.name,
    version,
    metadata: registry.metadata,
    endpoints: [
      endpoint('grpc', server.grpc.addr, ports.grpc),
      endpoint('http', server.http.addr, ports.http),
    ],
  }
}
