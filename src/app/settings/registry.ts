import type { Conf } from '../../conf/conf.ts'
import { advertisedHost, advertiseProblem, announces, ownAddresses } from '../fleet/advertise.ts'
import { consulUrl, etcdEndpoints, isServer } from '../fleet/endpoints.ts'
import { certificate, checkPair, type Report } from './file.ts'

/** Checks how the registry is reached, and that it can be told an address of this instance. */
export function checkRegistry({ registry, server }: Conf, report: Report): void {
  const { kind, etcd, consul, kubernetes } = registry
  if (kind === 'etcd') checkEtcd(etcd, report)
  if (kind === 'consul') checkConsul(consul, report)
  if (kind === 'kubernetes' && !isServer(kubernetes.server))
    report(
      'registry.kubernetes.server',
      `found ${JSON.stringify(kubernetes.server)}, must be a URL such as https://kubernetes.default.svc`,
    )
  if (kind !== 'off') checkHosts(registry, report)
  if (announces(registry)) checkAdvertised(registry, server, report)
}

/** Checks the members of etcd, and how this process proves itself to them. */
export function checkEtcd(etcd: Conf['registry']['etcd'], report: Report): void {
  const endpoints = etcdEndpoints(etcd)
  const wrong = endpoints.find((each) => !isServer(each))
  const found = endpoints.length === 0 ? 'nothing' : JSON.stringify(wrong)
  if (endpoints.length === 0 || wrong !== undefined)
    report(
      'registry.etcd.endpoints',
      `found ${found}, must be members such as etcd-0:2379,etcd-1:2379`,
    )
  certificate('registry.etcd.tls.ca_file', etcd.tls.caFile, report)
  checkPair('registry.etcd.tls', etcd.tls, report)
  if (etcd.password !== '' && etcd.username === '')
    report('registry.etcd.username', 'found nothing, but a password is given')
}

/** Checks the address of Consul's agent. */
export function checkConsul(consul: Conf['registry']['consul'], report: Report): void {
  if (!isServer(consulUrl(consul)))
    report(
      'registry.consul.address',
      `found ${JSON.stringify(consul.address)}, must be the agent, such as localhost:8500`,
    )
}

/** Hosts only: the ports are those that are listened on. */
function checkHosts({ advertise, podIp }: Conf['registry'], report: Report): void {
  const hosts = { 'registry.advertise': advertise, 'registry.pod_ip': podIp }
  for (const [setting, host] of Object.entries(hosts))
    if (!/^(?:[\w.-]*|\[?[\da-fA-F:.]+\]?)$/.test(host) || /^[\w.-]+:\d+$/.test(host))
      report(setting, `found ${JSON.stringify(host)}, must be a host name or an IP address`)
}

function checkAdvertised(
  registry: Conf['registry'],
  { http, grpc }: Conf['server'],
  report: Report,
): void {
  const addresses = ownAddresses()
  const hosts = [http, grpc].map(({ addr }) => advertisedHost(registry, addr, addresses))
  if (hosts.includes(undefined)) report('registry.advertise', advertiseProblem(addresses))
}
