import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Conf } from '../../conf/conf.ts'
import { hostPort } from '../../text/host-port.ts'

type Registry = Pick<Conf['registry'], 'advertise' | 'podIp'>

/** Hosts that mean each address of the machine. */
const everyAddress = new Set(['', '0.0.0.0', '::'])

/**
 * The host by which others reach a port that listens on `addr`: the setting, else the pod's address,
 * else the host that the port listens on, else the only one of `addresses`. Undefined if none of them
 * decides: a guess would announce an address that no client can reach.
 */
export function advertisedHost(
  { advertise, podIp }: Registry,
  addr: string,
  addresses: readonly string[],
): string | undefined {
  const { host } = hostPort(addr)
  const listens = everyAddress.has(host) ? '' : host
  const only = addresses.length === 1 ? addresses[0] : undefined
  return [advertise, podIp, listens].find((each) => each !== '') ?? only
}

/** `host:port` with IPv6 in brackets. */
export function advertisedAddress(host: string, port: number): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  return isIPv6(bare) ? `[${bare}]:${port}` : `${bare}:${port}`
}

/** The IPv4 addresses of this machine but loopback. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((all = []) => all)
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
}

/** Whether settings announce this instance; without a name it only looks up others. */
export function announces({ kind, name, goZeroKey, kitexName }: Conf['registry']): boolean {
  return (
    (kind === 'etcd' && name + goZeroKey + kitexName !== '') || (kind === 'consul' && name !== '')
  )
}

/** Why no address can be announced, with those that there are. */
export function advertiseProblem(addresses: readonly string[]): string {
  const found =
    addresses.length === 0
      ? 'this machine has no IPv4 address but loopback'
      : `this machine has several addresses: ${addresses.join(', ')}`
  return `found nothing, and ${found}; must be the host by which clients reach this instance`
}
