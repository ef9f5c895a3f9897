import { isObject, textOf, textsOf } from '../../text/json-object.ts'
import type { Instance } from '../registry.ts'

/** Seconds. */
export interface CheckTimes {
  /** From one check, or one beat, to the next. */
  interval: number
  /** How long an instance that fails its checks is kept. */
  deregisterAfter: number
}

/** What the agent is told to register, in the form of its API. */
export type Registration = ReturnType<typeof registrationOf>

/** The id of the check that this instance passes by itself. */
export function beatId(id: string): string {
  return `service:${id}`
}

/**
 * The registration of an instance. Source: go-kratos/kratos contrib/registry/consul/client.go. Unlike
 * there each check begins as passing, since only a ready instance is registered: Consul would list it
 * after its first check only, which is several seconds later.
 */
export function registrationOf(
  { id, name, version, metadata, endpoints }: Instance,
  { interval, deregisterAfter }: CheckTimes,
) {
  const all = endpoints.map((url) => ({ url, ...partsOf(url) }))
  const [first] = all
  const every = { Status: 'passing', DeregisterCriticalServiceAfter: `${deregisterAfter}s` }
  return {
    ID: id,
    Name: name,
    Meta: metadata,
    Tags: [`version=${version}`],
    Address: first?.host ?? '',
    Port: first?.port ?? 0,
    TaggedAddresses: Object.fromEntries(
      all.map(({ scheme, url, port }) => [scheme, { Address: url, Port: port }]),
    ),
    Checks: [
      ...all.map(({ host, port }) => ({
        TCP: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
        Interval: `${interval}s`,
        Timeout: '5s',
        ...every,
      })),
      { CheckID: beatId(id), TTL: `${interval * 2}s`, ...every },
    ],
  }
}

function partsOf(endpoint: string): { scheme: string; host: string; port: number } {
  const [, scheme = '', bracketed, bare = '', port] =
    /^(\w+):\/\/(?:\[(.*)\]|(.*)):(\d+)$/.exec(endpoint) ?? []
  return { scheme, host: bracketed ?? bare, port: Number(port) }
}

/** The entries of `/v1/health/service/NAME`. Throws if the text is no such list. */
export function entriesOf(text: string): unknown[] {
  const read: unknown = JSON.parse(text)
  if (!Array.isArray(read)) throw new Error('the answer of Consul is no list')
  return read
}

/** The instance of an entry; undefined if it has no endpoint. Throws if it cannot be read. */
export function instanceOf(entry: unknown): Instance | undefined {
  const service = isObject(entry) ? entry.Service : undefined
  if (!isObject(service)) throw new Error('it has no service')
  const { ID: id, Service: name, Meta: meta, Tags: tags } = service
  if (typeof id !== 'string' || typeof name !== 'string') throw new Error('it has no id or no name')
  const endpoints = endpointsOf(service)
  if (endpoints.length === 0) return undefined
  return { id, name, version: versionOf(tags), metadata: textsOf(meta), endpoints }
}

function versionOf(tags: unknown): string {
  const texts = (Array.isArray(tags) ? tags : []).map(textOf)
  return texts.find((tag) => tag.startsWith('version='))?.slice('version='.length) ?? ''
}

/** As Kratos reads them: the tagged addresses but those of Consul itself, else the plain address. */
function endpointsOf({ TaggedAddresses, Address, Port }: Record<string, unknown>): string[] {
  const tagged = Object.entries(isObject(TaggedAddresses) ? TaggedAddresses : {})
    .filter(([scheme]) => !/^(?:lan|wan)_|^(?:lan|wan)$/.test(scheme))
    .flatMap(([, each]) => (isObject(each) && typeof each.Address === 'string' ? each.Address : []))
    .toSorted()
  if (tagged.length > 0) return tagged
  const host = textOf(Address)
  return host === '' ? [] : [`http://${host.includes(':') ? `[${host}]` : host}:${Number(Port)}`]
}
