import type { Conf } from '../../conf/conf.ts'
import { advertisedHost, advertiseProblem, announces, ownAddresses } from '../fleet/advertise.ts'
import { consulUrl, etcdEndpoints, isServer } from '../fleet/endpoints.ts'
import { certificate, checkPair, type Refuse } from './file.ts'

/** Checks how the registry is reached, and that it can be told an address of this instance. */
export function checkRegistry({ registry, server }: Conf, refuse: Refuse): void {
  const { kind, etcd, consul, kubernetes } = registry
  if (kind === 'etcd') checkEtcd(etcd, refuse)
  if (kind === 'consul') checkConsul(consul, refuse)
  if (kind === 'kubernetes' && !isServer(kubernetes.server))
    refuse(
      'registry.kubernetes.server',
      `found ${JSON.stringify(kubernetes.server)}, must be a URL such as https://kubernetes.default.svc`,
    )
  if (kind !== 'off') checkHosts(registry, refuse)
  if (announces(registry)) checkAdvertised(registry, server, refuse)
}

/** Checks the members of etcd, and how this process proves itself to them. */
export function checkEtcd(etcd: Conf['registry']['etcd'], refuse: Refuse): void {
  const endpoints = etcdEndpoints(etcd)
  const wrong = endpoints.find((each) => !isServer(each))
  const found = endpoints.length === 0 ? 'nothing' : JSON.stringify(wrong)
  if (endpoints.length === 0 || wrong !== undefined)
    refuse(
      'registry.etcd.endpoints',
      `found ${found}, must be members such as etcd-0:2379,etcd-1:2379`,
    )
  certificate('registry.etcd.tls.ca_file', etcd.tls.caFile, refuse)
  checkPair('registry.etcd.tls', etcd.tls, refuse)
  if (etcd.password !== '' && etcd.username === '')
    refuse('registry.etcd.username', 'found nothing, but a password is given')
}

/** Checks the address of Consul's agent. */
export function checkConsul(consul: Conf['registry']['consul'], refuse: Refuse): void {
  if (!isServer(consulUrl(consul)))
    refuse(
      'registry.consul.address',
      `found ${JSON.stringify(consul.address)}, must be the agent, such as localhost:8500`,
    )
}

/** Hosts only: the ports are those that are listened on. */
function checkHosts({ advertise, podIp }: Conf['registry'], refuse: Refuse): void {
  const hosts = { 'registry.advertise': advertise, 'registry.pod_ip': podIp }
  for (const [setting, host] of Object.entries(hosts))
    if (!/^(?:[\w.-]*|\[?[\da-fA-F:.]+\]?)$/.test(host) || /^[\w.-]+:\d+$/.test(host))
      refuse(setting, `found ${JSON.stringify(host)}, must be a host name or an IP address`)
}

function checkAdvertised(
  registry: Conf['registry'],
  { http, grpc }: Conf['server'],
  refuse: Refuse,
): void {
  const addresses = ownAddresses()
  const hosts = [http, grpc].map(({ addr }) => advertisedHost(registry, addr, addresses))
  if (hosts.includes(undefined)) refuse('registry.advertise', advertiseProblem(addresses))
}
