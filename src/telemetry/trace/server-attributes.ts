import { METHODS } from 'node:http'
import { Code } from '@connectrpc/connect'
import type { Attributes } from '@opentelemetry/api'
import type { Exchange, Request } from '../../server/exchange/exchange.ts'
import type { Peer, RequestTrace } from './scope.ts'
import { error, http, kratos, network, rpc, url } from './attributes.ts'
import { safePath } from '../../server/exchange/safe-path.ts'

const methods = new Set(METHODS)

/** REST: method and template. RPC: package.Service/Method. Before either is known: the method. */
export function serverSpanName({ protocol, operation, route, method }: Exchange): string {
  if (protocol !== 'rest' && operation !== '') return operation.slice(1)
  const known = methods.has(method) ? method : 'HTTP'
  return route === '' ? known : `${known} ${route}`
}

/** What is known of a request before it is worked on. */
export function requestAttributes(
  { exchange, request, peer }: RequestTrace,
  personalData: boolean,
): Attributes {
  const { method, path, route, operation } = exchange
  const known = methods.has(method)
  return {
    [http.method]: known ? method : '_OTHER',
    ...(!known && method !== '' && { [http.originalMethod]: method }),
    [url.path]: personalData ? path : safePath(path, route === '' ? operation : route),
    ...((route || operation) && { [http.route]: route || operation }),
    ...(request && peer && connectionAttributes(request, peer)),
    ...(request && personalData && queryOf(request)),
    ...(operation !== '' && callAttributes(exchange)),
  }
}

export function peerOf({ socket }: Request): Peer {
  const { remoteAddress: address, remotePort: port } = socket
  return { address, port, encrypted: 'encrypted' in socket }
}

function connectionAttributes(
  { headers, httpVersion }: Request,
  { address, port: peerPort, encrypted }: Peer,
): Attributes {
  const authority = String(headers[':authority'] ?? headers.host ?? '')
  const [, host, port] = /^(.*?)(?::(\d+))?$/.exec(authority) ?? []
  const agent = headers['user-agent']
  const service = headers['x-md-service-name']
  return {
    [url.scheme]: encrypted ? 'https' : 'http',
    [network.protocolVersion]: httpVersion === '2.0' ? '2' : httpVersion,
    ...(host && { [network.serverAddress]: host }),
    ...(port !== undefined && { [network.serverPort]: Number(port) }),
    ...(address !== undefined && {
      [network.clientAddress]: address,
      [network.peerAddress]: address,
    }),
    ...(peerPort !== undefined && { [network.peerPort]: peerPort }),
    ...(agent !== undefined && { [network.userAgent]: agent }),
    ...(service !== undefined && { [kratos.peerService]: String(service) }),
  }
}

function queryOf({ url: target = '' }: Request): Attributes {
  const mark = target.indexOf('?')
  return mark === -1 ? {} : { [url.query]: target.slice(mark + 1) }
}

const rpcSystems = { connect: 'connectrpc', grpc: 'grpc', 'grpc-web': 'grpc' } as const

function callAttributes({ protocol, operation }: Exchange): Attributes {
  const [, service = ''] = operation.split('/')
  const rest = protocol === 'rest' || protocol === 'http'
  return {
    ...(!rest && { [rpc.system]: rpcSystems[protocol] }),
    [rpc.method]: operation.slice(1),
    [kratos.system]: rest ? 'http' : 'grpc',
    [kratos.service]: service,
  }
}

/** What is known when an exchange has ended. */
export function responseAttributes(exchange: Exchange): Attributes {
  const { failure, httpStatus, operation, protocol } = exchange
  const called = operation !== '' || protocol !== 'rest'
  const code = failure?.code
  const status = failure === undefined ? httpStatus : failure.status
  const type = serverError(exchange)
  return {
    ...(httpStatus !== 0 && { [http.status]: httpStatus }),
    ...(called && status !== 0 && { [kratos.status]: status }),
    ...(called && protocol !== 'rest' && { [rpc.status]: codeName(code, exchange) }),
    ...(failure && { [error.reason]: failure.reason }),
    ...(type !== undefined && { [error.type]: type }),
  }
}

/** Upper case for gRPC, Connect's own spelling for Connect; as the conventions list them. */
function codeName(code: Code | undefined, { protocol, failure }: Exchange): string {
  const name =
    code === undefined
      ? failure
        ? 'unknown'
        : 'ok'
      : (Code[code] ?? 'Unknown').replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase()
  return protocol === 'connect' ? name : name.toUpperCase()
}

/**
 * The `error.type` of a server span, undefined where the service is not at fault: by the conventions
 * 4xx are the client's, and so are the codes of RPC that become one.
 */
export function serverError({ failure, httpStatus }: Exchange): string | undefined {
  if (failure) return failure.status >= 500 ? failure.reason : undefined
  return httpStatus >= 500 ? String(httpStatus) : undefined
}
