import type { Discovery, Instance } from '../../fleet/registry.ts'
import type { ClientProtocol } from '../settings.ts'
import { type Address, address, baseUrl, type WatchAddresses } from './address.ts'

interface Wanted {
  discovery: Discovery
  protocol: ClientProtocol
  secure: boolean
}

/** The instances of a service, each at its first endpoint that fits the protocol and TLS, as Kratos. */
export function discovered(name: string, { discovery, protocol, secure }: Wanted): WatchAddresses {
  const rpc = protocol === 'grpc' || protocol === 'connect'
  const scheme = `${rpc ? 'grpc' : 'http'}${secure ? 's' : ''}`
  return (told, signal) =>
    discovery.watch(name, signal, (instances) => {
      const addresses = instances.flatMap((instance) => endpointOf(instance, scheme, secure) ?? [])
      if (addresses.length > 0) told(addresses)
    })
}

/** Kratos' first releases said by `?isSecure=true` or `false` whether an endpoint speaks TLS, not by the scheme. */
const endpointForm =
  /^(\w+):\/\/(?:\[([0-9a-fA-F:.]+)\]|([^\s/:[\]]+)):(\d{1,5})(?:\/|\?(?!isSecure=true)|$)/

function endpointOf({ endpoints }: Instance, scheme: string, secure: boolean): Address | undefined {
  for (const endpoint of endpoints) {
    const [, found, bracketed, bare, port] = endpointForm.exec(endpoint) ?? []
    const host = bracketed ?? bare
    if (found !== scheme || host === undefined) continue
    const at = address(host, Number(port), secure)
    // No node can be opened for what is no URL, such as a port of 99999, and its list would be lost.
    if (URL.canParse(baseUrl(at))) return at
  }
  return undefined
}
