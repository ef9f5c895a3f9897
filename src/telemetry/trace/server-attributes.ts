import { METHODS } from 'node:http'
import { type Attributes, SpanKind } from '@opentelemetry/api'
import { attachment } from '../../memory/attachment.ts'
import type { Exchange, Request } from '../../server/exchange/exchange.ts'
import { hostPort } from '../../text/host-port.ts'
import { rpcMethod, rpcStatus, rpcSystem, serverError } from '../rpc-status.ts'
import type { RecordedSpan } from './span/recorded-span.ts'
import type { Peer, RequestTrace } from './scope.ts'
import { type SpanHead, spanHead, type SpanPart, spanPart } from './span/span-part.ts'
import { enduser, error, exchangeProtocol, http, kratos, network, rpc, url } from './attributes.ts'
import { safePath } from '../../server/exchange/safe-path.ts'

const methods = new Set(METHODS)

/** Characters of a text that the client chooses. A span would be as large as the headers else. */
const maxText = 1024

const cut = (text: string) => text.slice(0, maxText)

/**
 * The name of a server span. REST: method and template. RPC: `package.Service/Method`. Before either is
 * known, and for what is not served: the HTTP method.
 */
function serverSpanName({ protocol, operation, route, method }: Exchange): string {
  if (protocol !== 'rest' && operation !== '') return operation.slice(1)
  const known = methods.has(method) ? method : 'HTTP'
  return route === '' ? known : `${known} ${route}`
}

/** The common attributes of the server spans of one route. */
interface Route extends Pick<Exchange, 'method' | 'route' | 'protocol'> {
  head: SpanHead
  /** By the HTTP status of an answer that is no failure. */
  outcomes: Map<number, SpanPart>
}

/** Describes server spans when their exchanges have ended, and remembers what many have in common. */
export function serverDescriber(personalData: boolean) {
  const routes = new Map<string, Route[]>()

  function routeOf(exchange: Exchange): Route {
    const { method, route, operation, protocol } = exchange
    const known = routes.get(operation) ?? []
    for (const each of known)
      if (each.route === route && each.method === method && each.protocol === protocol) return each
    const head = spanHead(serverSpanName(exchange), SpanKind.SERVER, routeAttributes(exchange))
    const made = { method, route, protocol, head, outcomes: new Map<number, SpanPart>() }
    // A client may make up as many methods as it likes.
    if (methods.has(method)) routes.set(operation, [...known, made])
    return made
  }

  return function describe({ exchange, request, peer }: RequestTrace, span: RecordedSpan): void {
    const { head, outcomes } = routeOf(exchange)
    span.head = head
    if (request && peer) span.connection = connectionPart(request, peer)
    span.facts = requestFacts(exchange, request, personalData)
    if (exchange.failure) Object.assign(span.facts, responseAttributes(exchange))
    else span.outcome = outcomePart(outcomes, exchange)
  }
}

function outcomePart(outcomes: Map<number, SpanPart>, exchange: Exchange): SpanPart {
  const known = outcomes.get(exchange.httpStatus)
  if (known) return known
  const part = spanPart(responseAttributes(exchange))
  outcomes.set(exchange.httpStatus, part)
  return part
}

function routeAttributes(exchange: Exchange): Attributes {
  const { method, route, operation } = exchange
  const known = methods.has(method)
  return {
    [http.method]: known ? method : '_OTHER',
    ...(!known && method !== '' && { [http.originalMethod]: cut(method) }),
    ...((route || operation) && { [http.route]: route || operation }),
    ...callAttributes(exchange),
  }
}

/** The attributes of one request; behind a proxy, requests of many clients share a connection. */
function requestFacts(
  { path, route, operation, caller }: Exchange,
  request: Request | undefined,
  personalData: boolean,
): Attributes {
  const shown = personalData ? cut(path) : safePath(path, route === '' ? operation : route)
  const facts: Attributes = { [url.path]: shown }
  if (!request) return facts
  const agent = request.headers['user-agent']
  const service = request.headers['x-md-service-name']
  if (agent !== undefined) facts[network.userAgent] = cut(agent)
  if (service !== undefined) facts[kratos.peerService] = cut(String(service))
  if (personalData) Object.assign(facts, queryOf(request), callerOf(caller))
  return facts
}

const peers = attachment<object, Peer>('peer')

/** The other end of a request's connection. */
export function peerOf(request: Request): Peer {
  // The socket of an HTTP/2 request is a proxy, which takes long to ask.
  const connection = ('stream' in request && request.stream.session) || request.socket
  const known = peers.of(connection)
  if (known) return known
  const { remoteAddress: address, remotePort: port } = request.socket
  const peer = { address, port, encrypted: 'encrypted' in request.socket, said: undefined }
  peers.attach(connection, peer)
  return peer
}

/** The common attributes of a connection's requests; made again for a request to another host. */
function connectionPart({ headers, httpVersion }: Request, peer: Peer): SpanPart {
  const authority = headers[':authority'] ?? headers.host
  if (peer.said && peer.said.authority === authority) return peer.said.part
  const { host, port } = hostPort(String(authority ?? ''))
  const { address, port: peerPort, encrypted } = peer
  const part = spanPart({
    [url.scheme]: encrypted ? 'https' : 'http',
    [network.protocolVersion]: httpVersion === '2.0' ? '2' : httpVersion,
    ...(host !== '' && { [network.serverAddress]: cut(host) }),
    ...(port !== undefined && { [network.serverPort]: port }),
    ...(address !== undefined && {
      [network.clientAddress]: address,
      [network.peerAddress]: address,
    }),
    ...(peerPort !== undefined && { [network.peerPort]: peerPort }),
  })
  peer.said = { authority, part }
  return part
}

function callerOf(caller: string | undefined): Attributes {
  return caller ? { [enduser.id]: cut(caller) } : {}
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
function responseAttributes(exchange: Exchange): Attributes {
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
