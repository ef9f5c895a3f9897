import type { Interceptor, Transport } from '@connectrpc/connect'
import type { Dialect } from './dialect.ts'
import { restTransport } from './transport.ts'

/** Where a node listens. */
interface NodeAddress {
  /** `host:port`, IPv6 in brackets. */
  name: string
  secure: boolean
}

/** How a node is reached. */
interface NodeSettings {
  connectTimeoutMs: number
  /** Texts are PEM; `serverName` is the name that the certificate must have. */
  tls?: { ca?: string; cert?: string; key?: string; serverName?: string } | undefined
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
  return function open({ name, secure }, { connectTimeoutMs, tls }, interceptors) {
    const { serverName, ...pem } = tls ?? {}
    const transport = restTransport({
      baseUrl: `${secure ? 'https' : 'http'}://${name}`,
      dialect,
      interceptors,
      connectTimeoutMs,
      tls: { ...pem, ...(serverName !== undefined && { servername: serverName }) },
    })
    return { transport, close: () => transport.close() }
  }
}
