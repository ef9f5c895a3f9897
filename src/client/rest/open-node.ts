import type { Interceptor, Transport } from '@connectrpc/connect'
import type { Dialect } from './dialect.ts'
import { restTransport } from './transport.ts'

/** Where a node listens. */
interface NodeAddress {
  /** `host:port`, IPv6 in brackets. */
  name: string
  secure: boolean
  /** The name that was resolved, which the certificate of the node is for. */
  resolvedFrom?: string
}

/** Texts are PEM; `serverName` is the name that the certificate must have. */
interface NodeTls {
  ca?: string
  cert?: string
  key?: string
  serverName?: string
}

/** How a node is reached. */
interface NodeSettings {
  connectTimeoutMs: number
  /** A function is asked for each new connection. */
  tls?: NodeTls | (() => NodeTls) | undefined
}

/** A node's transport, and what closes its connections. */
interface NodeTransport {
  transport: Transport
  close(): void
}

type OpenNode = (
  address: NodeAddress,
  settings: NodeSettings,
  interceptors: Interceptor[],
) => NodeTransport

/** Makes the transport of a node, for each of the protocols over REST. */
export const overRest: Record<Dialect, OpenNode> = {
  kratos2: opener('kratos2'),
  kratos3: opener('kratos3'),
}

function opener(dialect: Dialect): OpenNode {
  return function open({ name, secure, resolvedFrom }, { connectTimeoutMs, tls }, interceptors) {
    const transport = restTransport({
      baseUrl: `${secure ? 'https' : 'http'}://${name}`,
      dialect,
      interceptors,
      connectTimeoutMs,
      tls: typeof tls === 'function' ? () => peerTls(tls()) : peerTls(tls),
    })
    return { transport, close: () => transport.close() }

    function peerTls({ serverName = resolvedFrom, ...pem }: NodeTls = {}) {
      return { ...pem, ...(serverName !== undefined && { servername: serverName }) }
    }
  }
}
