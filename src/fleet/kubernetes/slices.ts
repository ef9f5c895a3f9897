import { isIPv6 } from 'node:net'
import { isObject, textOf } from '../../text/json-object.ts'
import type { Instance } from '../registry.ts'

/** An EndpointSlice of discovery.k8s.io/v1 with the fields that are read. */
export interface Slice {
  name: string
  /** The ready endpoints. */
  instances: readonly Instance[]
}

/** Names of ports that are protocols; others, such as metrics, are no endpoints. */
const schemes = new Set(['grpc', 'grpcs', 'http', 'https'])

/**
 * Reads a slice of the service `name`. The number of a port is the slice's own: pods of two releases
 * may listen on different ones. Throws if it cannot be read.
 */
export function sliceOf(object: unknown, name: string): Slice {
  const { metadata, endpoints, ports } = isObject(object) ? object : {}
  if (!isObject(metadata) || typeof metadata.name !== 'string') throw new Error('it has no name')
  const named = (Array.isArray(ports) ? ports : []).flatMap((port) =>
    isObject(port) && typeof port.port === 'number' && schemes.has(textOf(port.name))
      ? { scheme: schemeOf(port), port: port.port }
      : [],
  )
  const all: unknown[] = Array.isArray(endpoints) ? endpoints : []
  const instances = all.filter(isReady).flatMap((endpoint) => instancesOf(endpoint, named, name))
  return { name: metadata.name, instances: named.length === 0 ? [] : instances }
}

/** A Service says of a port that it speaks TLS by the protocol above it. */
function schemeOf({ name, appProtocol }: Record<string, unknown>): string {
  const scheme = textOf(name)
  return appProtocol === 'https' && !scheme.endsWith('s') ? `${scheme}s` : scheme
}

function isReady(endpoint: unknown): endpoint is Record<string, unknown> {
  if (!isObject(endpoint)) return false
  // A missing condition counts as ready, by the API's own rule.
  const { ready, terminating } = isObject(endpoint.conditions) ? endpoint.conditions : {}
  return ready !== false && terminating !== true
}

function instancesOf(
  { addresses, targetRef }: Record<string, unknown>,
  ports: readonly { scheme: string; port: number }[],
  name: string,
): Instance[] {
  // All addresses of an endpoint are one instance's; clients are to take the first.
  const [address] = Array.isArray(addresses) ? addresses : []
  if (typeof address !== 'string') return []
  const host = isIPv6(address) ? `[${address}]` : address
  const endpoints = ports.map(({ scheme, port }) => `${scheme}://${host}:${port}`)
  const pod = isObject(targetRef) ? textOf(targetRef.name) : ''
  return [{ id: pod === '' ? address : pod, name, version: '', metadata: {}, endpoints }]
}

/** The instances of all slices of a service. One that is in two slices has the endpoints of both. */
export function merged(slices: Iterable<Slice>): Instance[] {
  const byId = new Map<string, Instance>()
  for (const instance of Array.from(slices).flatMap(({ instances }) => instances)) {
    const { endpoints = [] } = byId.get(instance.id) ?? {}
    const both = [...new Set([...endpoints, ...instance.endpoints])].toSorted()
    byId.set(instance.id, { ...instance, endpoints: both })
  }
  return [...byId.values()]
}
