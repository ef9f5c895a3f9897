import { isObject, textOf, textsOf } from '../../text/json-object.ts'
import type { Instance } from '../registry.ts'

/** A key of etcd with its value, in the format of one framework. */
export interface Entry {
  format: string
  /** go-zero has the id of the lease in the key. */
  key: (lease: bigint) => string
  value: string
}

/** The names by which an instance is announced; in no format whose name is empty. */
export interface Names {
  /** Of Kratos; begins with a slash and ends with none. */
  namespace: string
  /** go-zero's key. */
  goZeroKey: string
  kitexName: string
}

/** The keys of all instances of a service in Kratos' format begin with this. */
export function kratosPrefix(namespace: string, name: string): string {
  return `${namespace}/${name}/`
}

/** The same in go-zero's format. */
export function goZeroPrefix(key: string): string {
  return `${key}/`
}

/**
 * The entries of an instance. Sources: go-kratos/kratos contrib/registry/etcd/registry.go,
 * zeromicro/go-zero core/discov/publisher.go, kitex-contrib/registry-etcd etcd_registry.go.
 */
export function entriesOf(instance: Instance, { namespace, goZeroKey, kitexName }: Names): Entry[] {
  const { id, name, version, metadata, endpoints } = instance
  const address = rpcAddress(instance)
  const kratos = {
    format: 'kratos',
    key: () => kratosPrefix(namespace, name) + id,
    value: JSON.stringify({ id, name, version, metadata: sorted(metadata), endpoints }),
  }
  const goZero = {
    format: 'go-zero',
    key: (lease: bigint) => goZeroPrefix(goZeroKey) + lease,
    value: address,
  }
  const kitex = {
    format: 'kitex',
    key: () => `kitex/registry-etcd/${kitexName}/${address}`,
    value: JSON.stringify({ network: 'tcp', address, weight: 10, tags: null }),
  }
  return [
    ...(name === '' ? [] : [kratos]),
    ...(goZeroKey === '' ? [] : [goZero]),
    ...(kitexName === '' ? [] : [kitex]),
  ]
}

/** host:port of the RPC port, which go-zero and Kitex know alone. */
function rpcAddress({ endpoints }: Instance): string {
  const rpc = endpoints.find((endpoint) => endpoint.startsWith('grpc')) ?? ''
  return rpc.replace(/^grpcs?:\/\//, '')
}

/** Go writes the keys of a map in order. */
function sorted(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * The instance of a value in Kratos' format; undefined if it is another service's or has no endpoint.
 * Throws if the value cannot be read.
 */
export function kratosInstance(value: string, name: string): Instance | undefined {
  const read: unknown = JSON.parse(value)
  if (!isObject(read)) throw new Error('it is no object')
  const { id, version, metadata, endpoints } = read
  if (read.name !== name) return undefined
  if (typeof id !== 'string') throw new Error('its id is no text')
  const all: unknown[] = Array.isArray(endpoints) ? endpoints : []
  const known = all.filter((each) => typeof each === 'string')
  if (known.length === 0) return undefined
  return {
    id,
    name,
    version: textOf(version),
    metadata: textsOf(metadata),
    endpoints: known,
  }
}

/**
 * The instance of a value in go-zero's format. Its address is its id: an instance that was announced
 * again has two keys until the older lease ends. Throws if the value is no address.
 */
export function goZeroInstance(value: string, name: string): Instance {
  if (!/^[^\s/]+:\d+$/.test(value)) throw new Error('it is no host:port')
  return { id: value, name, version: '', metadata: {}, endpoints: [`grpc://${value}`] }
}
