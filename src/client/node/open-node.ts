import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node'
import type { Interceptor } from '@connectrpc/connect'
import { type Sessions, sessionsTo } from '../../http2/sessions.ts'
import type { NodeTransport } from './node.ts'
import { unaryGrpc } from './unary-grpc.ts'
import type { ClientProtocol, ClientSettings } from '../settings.ts'
import { type Address, baseUrl } from '../target/address.ts'

/** Makes the transport of a node for one protocol. */
export type OpenProtocol = (
  address: Address,
  settings: ClientSettings,
  interceptors: Interceptor[],
) => NodeTransport

/** Connections of HTTP/2 to the node, which are opened with calls and kept alive; as a rule one. */
function sessionsOf(address: Address, settings: ClientSettings): Sessions {
  const { pingIntervalMs, pingTimeoutMs } = settings
  const pings = { pingIntervalMs, pingTimeoutMs }
  const createConnection = () => connectionTo(address, settings)
  return sessionsTo(baseUrl(address), pings, { createConnection })
}

function connectionTo(to: Address, settings: ClientSettings): Socket {
  const { host, port, secure, name, resolvedFrom = host } = to
  const given = typeof settings.tls === 'function' ? settings.tls() : settings.tls
  const { serverName = resolvedFrom, ...tls } = given ?? {}
  // TLS knows names only; the certificate is compared with the host then.
  const servername = isIP(serverName) === 0 ? serverName : ''
  const socket = secure
    ? connectTls({ ...tls, host, port, servername, ALPNProtocols: ['h2'] })
    : connectTcp({ host, port })
  // A host that answers nothing would be waited for by the operating system's minutes.
  const timer = setTimeout(() => socket.destroy(connectTimeout(name)), settings.connectTimeoutMs)
  const clear = () => clearTimeout(timer)
  const opened = secure ? 'secureConnect' : 'connect'
  socket.once('error', unsent).once(opened, () => socket.off('error', unsent))
  socket.once(opened, clear).once('close', clear)
  return socket
}

/** Marks an error of a connection that is not open yet as `failureOf` knows it. */
function unsent(err: Error): void {
  Object.assign(err, { syscall: 'connect' })
}

function connectTimeout(name: string): Error {
  const code = { code: 'ETIMEDOUT', syscall: 'connect' }
  return Object.assign(new Error(`connect ETIMEDOUT ${name}`), code)
}

const grpc: OpenProtocol = (address, settings, interceptors) => {
  const sessionManager = sessionsOf(address, settings)
  const options = { baseUrl: baseUrl(address), sessionManager, interceptors }
  const transport = createGrpcTransport(options)
  return {
    transport:
      interceptors.length > 0 ? transport : { ...transport, unary: unaryGrpc(sessionManager) },
    close: () => sessionManager.abort(),
  }
}

const connect: OpenProtocol = (address, settings, interceptors) => {
  const sessionManager = sessionsOf(address, settings)
  const options = { baseUrl: baseUrl(address), sessionManager, interceptors }
  return {
    transport: createConnectTransport({ ...options, httpVersion: '2' }),
    close: () => sessionManager.abort(),
  }
}

/** The protocols of this room; those over REST are handed in. */
export const overHttp2: Partial<Record<ClientProtocol, OpenProtocol>> = { grpc, connect }
