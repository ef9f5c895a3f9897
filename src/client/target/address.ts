/** Where a node listens. */
export interface Address {
  /** A name, or an IP address without brackets. */
  readonly host: string
  readonly port: number
  /** Whether it speaks TLS. */
  readonly secure: boolean
  /** `host:port`, IPv6 in brackets: names the node in messages and labels. */
  readonly name: string
  /** The name that was resolved, which the certificate of the node is for. */
  readonly resolvedFrom?: string
}

/** An address with its name. */
export function address(host: string, port: number, secure: boolean): Address {
  const name = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return { host, port, secure, name }
}

/** The URL of a node's root, without a path. */
export function baseUrl({ name, secure }: Address): string {
  return `${secure ? 'https' : 'http'}://${name}`
}

/** Tells the addresses of a target, at once or later, and again whenever they change. */
export type WatchAddresses = (
  told: (addresses: readonly Address[]) => void,
  signal: AbortSignal,
) => void

/** All addresses of a host name. */
export type Lookup = (host: string) => Promise<readonly string[]>
