import { METHODS } from 'node:http'
import type { Attributes } from '@opentelemetry/api'
import type { Exchange, Request } from '../../server/exchange/exchange.ts'
import { hostPort } from '../../text/host-port.ts'
import { rpcMethod, rpcStatus, rpcSystem, serverError } from '../rpc-status.ts'
import type { Peer, RequestTrace } from './scope.ts'
import { error, exchangeProtocol, http, kratos, network, rpc, url } from './attributes.ts'
import { safePath } from '../../server/exchange/safe-path.ts'

const methods = new Set(METHODS)

/** Characters of a text that the client chooses. A span would be as large as the headers else. */
const maxText = 1024

const cut = (text: string) => text.slice(0, maxText)

/**
 * The name of a server span. REST: method and template. RPC: `package.Service/Method`. Before either is
 * known, and for what is not served: the HTTP method.
 */
export function serverSpanName({ protocol, operation, route, method }: Exchange): string {
  if (protocol !== 'rest' && operation !== '') return operation.slice(1)
  const known = methods.has(method) ? method : 'HTTP'
  return route === '' ? known : `${known} ${route}`
}

/** The attributes of a server span that are known when it begins. */
export function requestAttributes(
  { exchange, request, peer }: RequestTrace,
  personalData: boolean,
): Attributes {
  const { method, path, route, operation } = exchange
  const known = methods.has(method)
  return {
    [http.method]: known ? method : '_OTHER',
    ...(!known && method !== '' && { [http.originalMethod]: cut(method) }),
    [url.path]: personalData ? cut(path) : safePath(path, route === '' ? operation : route),
    ...((route || operation) && { [http.route]: route || operation }),
    ...(request && peer && connectionAttributes(request, peer)),
    ...(request && personalData && queryOf(request)),
    ...callAttributes(exchange),
  }
}

/** The other end of a request's connection. */
export function peerOf({ socket }: Request): Peer {
  const { remoteAddress: address, remotePort: port } = socket
  return { address, port, encrypted: 'encrypted' in socket }
}

function connectionAttributes(
  { headers, httpVersion }: Request,
  { address, port: peerPort, encrypted }: Peer,
): Attributes {
  const authority = String(headers[':authority'] ?? headers.host ?? '')
  const { host, port } = hostPort(authority)
  const agent = headers['user-agent']
  const service = headers['x-md-service-name']
  return {
    [url.scheme]: encrypted ? 'https' : 'http',
    [network.protocolVersion]: httpVersion === '2.0' ? '2' : httpVersion,
    ...(host !== '' && { [network.serverAddress]: cut(host) }),
    ...(port !== undefined && { [network.serverPort]: port }),
    ...(address !== undefined && {
      [network.clientAddress]: address,
      [network.peerAddress]: address,
    }),
    ...(peerPort !== undefined && { [network.peerPort]: peerPort }),
    ...(agent !== undefined && { [network.userAgent]: cut(agent) }),
    ...(service !== undefined && { [kratos.peerService]: cut(String(service)) }),
  }
}

function queryOf({ url: target = '' }: Request): Attributes {
  const mark = target.indexOf('?')
  return mark === -1 ? {} : { [url.query]: cut(target.slice(mark + 1)) }
}

function callAttributes({ protocol, operation }: Exchange): Attributes {
  const system = rpcSystem(protocol)
  const [, service = ''] = operation.split('/')
  return {
    [exchangeProtocol]: protocol,
    ...(system !== undefined && { [rpc.system]: system }),
    ...((system !== undefined || operation !== '') && { [rpc.method]: rpcMethod(operation) }),
    ...(operation !== '' && {
      [kratos.system]: system === undefined ? 'http' : 'grpc',
      [kratos.service]: service,
    }),
  }
}

/** The attributes of a server span that are known when the exchange has ended. */
export function responseAttributes(exchange: Exchange): Attributes {
  const { failure, httpStatus, operation, protocol } = exchange
  const called = operation !== '' || protocol !== 'rest'
  const status = failure === undefined ? httpStatus : failure.status
  const type = serverError(exchange)
  const rpcCode = rpcStatus(exchange)
  return {
    ...(httpStatus !== 0 && { [http.status]: httpStatus }),
    ...(called && status !== 0 && { [kratos.status]: status }),
    ...(rpcCode !== undefined && { [rpc.status]: rpcCode }),
    ...(failure && { [error.reason]: failure.reason }),
    ...(type !== undefined && { [error.type]: type }),
  }
}
