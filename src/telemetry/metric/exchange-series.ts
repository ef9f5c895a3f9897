import type { Attributes } from '@opentelemetry/api'
import type { Exchange } from '../../server/exchange/exchange.ts'
import type { Failure } from '../../server/exchange/failure.ts'
import { other, rpcMethod, rpcStatus, rpcSystem, serverError } from '../rpc-status.ts'
import { bodyBytes, kratosSeconds, serverSeconds } from './buckets.ts'
import { type Count, counts, type Distribution, distributions } from './family.ts'
import type { Limit } from './refusals.ts'

/** The series that record the end of all exchanges with the same facts. */
export interface Series {
  requests: Count
  seconds: Distribution
  httpSeconds: Distribution
  bytes: { request: Distribution; response: Distribution } | undefined
  rpcSeconds: Distribution | undefined
  refused: Count | undefined
}

/** The labels of an exchange. Each has finitely many values, so that clients cannot make series. */
export interface Facts {
  protocol: Exchange['protocol']
  operation: string
  route: string
  method: string
  /** False for a connection that was refused before its first request. */
  requested: boolean
  /** Version of HTTP; empty where the request was refused before it was opened. */
  version: string
  httpStatus: number
  /** With a reason that is known, and without its cause. */
  failure: Failure | undefined
}

/** The instruments that `exchangeFamilies` makes. */
export type Families = ReturnType<typeof exchangeFamilies>

const seconds = (name: string, description: string, boundaries: readonly number[]) =>
  distributions({ name, description, unit: 's' }, boundaries)

const bytes = (name: string, description: string) =>
  distributions({ name, description, unit: 'By' }, bodyBytes)

/** Makes the instruments of exchanges. */
export function exchangeFamilies() {
  return {
    requests: counts({
      name: 'server_requests_code_total',
      description:
        'Exchanges that have ended, by the HTTP status of their code and by their reason',
      unit: '{call}',
    }),
    seconds: seconds(
      'server_requests_seconds',
      'Time of exchanges, from arrival to end',
      kratosSeconds,
    ),
    httpSeconds: seconds(
      'http.server.request.duration',
      'Time of HTTP exchanges, from arrival to end',
      serverSeconds,
    ),
    active: counts(
      {
        name: 'http.server.active_requests',
        description: 'HTTP exchanges that are open',
        unit: '{request}',
      },
      { monotonic: false },
    ),
    requestBytes: bytes(
      'http.server.request.body.size',
      'Size of request bodies as they were sent',
    ),
    responseBytes: bytes(
      'http.server.response.body.size',
      'Size of response bodies as they were sent',
    ),
    streams: counts(
      { name: 'server.streams.active', description: 'Streams that are open', unit: '{call}' },
      { monotonic: false },
    ),
    messages: counts({
      name: 'server.streams.messages',
      description: 'Messages that streams have carried, by their direction',
      unit: '{message}',
    }),
    rpcSeconds: seconds(
      'rpc.server.call.duration',
      'Time of calls over Connect, gRPC and gRPC-Web',
      serverSeconds,
    ),
  }
}

/** The facts that are the same for all exchanges of the process. */
export interface Common {
  scheme: string
  refused: Record<Limit, Count>
}

/** The series of the streams of one operation. */
export interface StreamSeries {
  active: Count
  received: Count
  sent: Count
}

/** Makes the series for the streams of one operation. */
export function makeStreamSeries(
  { streams, messages }: Families,
  call: Pick<Facts, 'protocol' | 'operation'>,
): StreamSeries {
  const labels = callLabels(call)
  return {
    active: streams.series(labels),
    received: messages.series({ ...labels, direction: 'received' }),
    sent: messages.series({ ...labels, direction: 'sent' }),
  }
}

/** Kratos has `http` and `grpc`; Connect and gRPC-Web go by their own names. */
function callLabels({ protocol, operation }: Pick<Facts, 'protocol' | 'operation'>): Attributes {
  return { kind: protocol === 'rest' ? 'http' : protocol, operation: operation || other }
}

/** Finds or makes the series for all exchanges with these facts. */
export function makeSeries(families: Families, facts: Facts, { scheme, refused }: Common): Series {
  const { failure, httpStatus } = facts
  const call = callLabels(facts)
  const http = httpAttributes(facts, scheme)
  const rpc = rpcAttributes(facts)
  const limit = limitOf(facts)
  return {
    requests: families.requests.series({
      ...call,
      code: failure?.status ?? httpStatus,
      reason: failure?.reason ?? '',
    }),
    seconds: families.seconds.series(call),
    httpSeconds: families.httpSeconds.series(http),
    bytes: bytesOf(families, facts, http),
    rpcSeconds: rpc && families.rpcSeconds.series(rpc),
    refused: limit && refused[limit],
  }
}

/** Undefined where no request was opened: no byte was counted. */
function bytesOf(families: Families, { version }: Facts, http: Attributes): Series['bytes'] {
  if (version === '') return undefined
  return {
    request: families.requestBytes.series(http),
    response: families.responseBytes.series(http),
  }
}

function limitOf({ failure, requested, operation }: Facts): Limit | undefined {
  const { reason = '' } = failure ?? {}
  // What is refused for load is refused before its operation is known, and a quota is that of one.
  if (reason === 'RATELIMIT') return operation === '' ? 'shed' : 'quota'
  // The operation of a call is not known where it is refused for load, that of a stream is.
  if (reason === 'OVERLOADED' && operation !== '') return 'max_streams'
  // A refusal for load without a request is that of a connection above the limit.
  return reason === 'OVERLOADED' && !requested ? 'max_connections' : limitOfReason[reason]
}

function httpAttributes(facts: Facts, scheme: string): Attributes {
  const { method, route, version, httpStatus } = facts
  const errorType = serverError(facts)
  // Over gRPC a failed call is an HTTP exchange that went well.
  const failed = (httpStatus >= 500 || httpStatus === 0) && errorType !== undefined
  return {
    'http.request.method': method,
    'url.scheme': scheme,
    ...(route !== '' && { 'http.route': route }),
    ...(httpStatus > 0 && { 'http.response.status_code': httpStatus }),
    ...(failed && { 'error.type': errorType }),
    ...(version !== '' && { 'network.protocol.version': version }),
  }
}

/** Undefined for what is no call over Connect, gRPC or gRPC-Web. */
function rpcAttributes(facts: Facts): Attributes | undefined {
  const system = rpcSystem(facts.protocol)
  if (system === undefined) return undefined
  const [status, errorType] = [rpcStatus(facts), serverError(facts)]
  return {
    'rpc.system.name': system,
    'rpc.method': rpcMethod(facts.operation),
    ...(status !== undefined && { 'rpc.response.status_code': status }),
    ...(errorType !== undefined && { 'error.type': errorType }),
  }
}

/** Limits by the reason of their refusal; `statementMetrics` counts those of connection pools. */
const limitOfReason: Partial<Record<string, Limit>> = {
  BODY_TOO_LARGE: 'max_body_bytes',
  HEADERS_TOO_LARGE: 'max_header_bytes',
  REQUEST_TIMEOUT: 'request_timeout',
  OVERLOADED: 'max_concurrent_calls',
}
