import { lookup } from 'node:dns/promises'
import type { Discovery } from '../../fleet/registry.ts'
import { type ClientSettings, settingsOf } from '../settings.ts'
import { type Address, address, type Lookup, type WatchAddresses } from './address.ts'
import { discovered } from './discovery.ts'
import { resolved } from './dns.ts'

/** What targets are resolved with. */
interface Resolving {
  settings: ClientSettings
  discovery: Discovery | undefined
  /** The system's resolver, but in tests. */
  lookup?: Lookup | undefined
}

const forms =
  'direct:///host:port,host:port, dns:///host:port, http://host:port, https://host:port, discovery:///name'

/** Reads a target. Throws for what is none, with the forms that are allowed. */
export function watchTarget(target: string, { settings, discovery, lookup }: Resolving) {
  const { scheme, rest } = split(target)
  const secure = settings.tls !== undefined || scheme === 'https'
  switch (scheme) {
    case 'http':
    case 'https':
      return fixed([hostAndPort(target, rest.replace(/\/$/, ''), secure)])
    case 'direct':
      return fixed(rest.split(',').map((each) => hostAndPort(target, each.trim(), secure)))
    case 'dns':
      return resolved(hostAndPort(target, rest, secure), {
        everyMs: settings.resolveMs,
        lookup: lookup ?? allAddresses,
      })
    default:
      if (rest === '') throw malformed(target)
      if (discovery === undefined) throw new Error(`the target ${target} needs a registry`)
      return discovered(rest, { discovery, protocol: settings.protocol, secure })
  }
}

/** Why a text is no target; undefined if it is one. */
export function targetProblem(target: string): string | undefined {
  const nowhere: Discovery = { watch: () => undefined, close: async () => undefined }
  try {
    watchTarget(target, { settings: settingsOf({}), discovery: nowhere })
    return undefined
  } catch {
    return `found ${JSON.stringify(target)}, must be a target: ${forms}`
  }
}

function split(target: string): { scheme: string; rest: string } {
  const [, scheme = '', rest = ''] =
    /^(?:(direct|dns|discovery):\/\/\/|(?=https?:\/\/))(.*)$/.exec(target) ?? []
  if (scheme !== '') return { scheme, rest }
  const [, http = '', authority = ''] = /^(https?):\/\/(.*)$/.exec(rest) ?? []
  if (http === '') throw malformed(target)
  return { scheme: http, rest: authority }
}

function malformed(target: string): Error {
  return new Error(`${target} is no target; allowed: ${forms}`)
}

function hostAndPort(target: string, text: string, secure: boolean): Address {
  const [, bracketed, bare, port] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^\s/:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? bare
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) throw malformed(target)
  return address(host, Number(port), secure)
}

/** A list that does not change. */
export function fixed(addresses: readonly Address[]): WatchAddresses {
  return (told) => told(addresses)
}

async function allAddresses(host: string): Promise<string[]> {
  const found = await lookup(host, { all: true })
  return found.map(({ address: ip }) => ip)
}
