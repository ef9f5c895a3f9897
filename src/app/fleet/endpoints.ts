import type { Conf } from '../../conf/conf.ts'

/** The members of etcd as URLs; without a scheme, https where a file for TLS is named. */
export function etcdEndpoints({ endpoints, tls }: Conf['registry']['etcd']): string[] {
  const scheme = tls.caFile + tls.certFile === '' ? 'http' : 'https'
  return endpoints
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .map((each) => withScheme(each, scheme))
}

/** The agent of Consul as a URL. */
export function consulUrl({ address }: Conf['registry']['consul']): string {
  return withScheme(address, 'http')
}

/** The URL of a server; `scheme` counts where the address has none. */
export function withScheme(address: string, scheme: string): string {
  return address.includes('://') ? address : `${scheme}://${address}`
}

/** Whether a text is the URL of a server: scheme, host and, if it has one, port. */
export function isServer(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, pathname, search, username } = new URL(url)
  return /^https?:$/.test(protocol) && pathname === '/' && search + username === ''
}
