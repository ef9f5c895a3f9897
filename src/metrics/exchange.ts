import type { Attributes } from '@opentelemetry/api'
import { Code } from '@connectrpc/connect'
import type { Exchange, ExchangeObserver } from '../server/exchange.ts'
import type { Limit } from './refusals.ts'
import { type BodySizes, countBodies } from './body-size.ts'
import { bodyBytes, kratosSeconds, serverSeconds } from './buckets.ts'
import {
  type Count,
  counts,
  type Distribution,
  distributions,
  type Family,
  record,
} from './family.ts'
import { connectStatus, grpcStatus, knownMethod, knownReason, other } from './labels.ts'

export interface ExchangeMetricsOptions {
  scheme: 'http' | 'https'
  /** Paths that are served without being an operation, such as those of health checks. */
  paths: readonly string[]
}

/** What is recorded at the end of all exchanges that differ in nothing but time and size. */
interface Series {
  requests: Count
  seconds: Distribution
  httpSeconds: Distribution
  bytes: { request: Distribution; response: Distribution } | undefined
  rpcSeconds: Distribution | undefined
  refused: Count | undefined
}

/** What is known of an exchange from its beginning. */
interface Begun extends BodySizes {
  version: string
  active: Count
}

/** Limits by the reason of their refusal; those of the storage are counted there. */
const limitOfReason: Partial<Record<string, Limit>> = {
  BODY_TOO_LARGE: 'max_body_bytes',
  HEADERS_TOO_LARGE: 'max_header_bytes',
  REQUEST_TIMEOUT: 'request_timeout',
  OVERLOADED: 'max_concurrent_calls',
}

/** The codes that the conventions call errors of a server. */
const serverErrors = new Set([
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.Unimplemented,
  Code.Internal,
  Code.Unavailable,
  Code.DataLoss,
])

/** Counts and times exchanges under Kratos' names and those of OpenTelemetry's conventions. */
export function exchangeMetrics(
  { scheme, paths }: ExchangeMetricsOptions,
  refused: Record<Limit, Count>,
) {
  const families = exchangeFamilies()
  const begun = new Map<Exchange, Begun>()
  const byOperation = new Map<string, { facts: Facts; series: Series }[]>()
  const active = new Map<string, Count>()

  function activeOf(method: string): Count {
    const known = active.get(method)
    if (known !== undefined) return known
    const series = families.active.series({ 'http.request.method': method, 'url.scheme': scheme })
    active.set(method, series)
    return series
  }

  function operationOf({ operation, protocol, path }: Exchange): string {
    if (operation !== '') return operation
    return protocol === 'rest' && paths.includes(path) ? path : ''
  }

  function seriesOf(exchange: Exchange, version: string): Series {
    const operation = operationOf(exchange)
    const { protocol, failure, httpStatus } = exchange
    const facts: Facts = {
      protocol,
      operation,
      route: exchange.route || operation,
      method: knownMethod(exchange.method),
      version,
      httpStatus,
      status: failure?.status ?? httpStatus,
      reason: failure === undefined ? '' : knownReason(failure.reason),
      code: failure?.code,
    }
    const known = byOperation.get(operation) ?? []
    const same = known.find((one) => isSame(one.facts, facts))
    if (same !== undefined) return same.series
    const series = makeSeries(families, facts, { scheme, refused })
    if (known.length < mostKnown) known.push({ facts, series })
    if (byOperation.size < mostKnown) byOperation.set(operation, known)
    return series
  }

  const observer: ExchangeObserver = {
    begin(exchange, request, response) {
      const series = activeOf(knownMethod(exchange.method))
      series.value += 1
      const version = request.httpVersionMajor === 2 ? '2' : request.httpVersion
      const sizes: Begun = { request: 0, response: 0, version, active: series }
      begun.set(exchange, sizes)
      countBodies(request, response, sizes)
    },
    end(exchange) {
      // None of a connection that was refused before there was a request.
      const sizes = begun.get(exchange)
      const series = seriesOf(exchange, sizes?.version ?? '')
      const seconds = exchange.durationMs / 1000
      series.requests.value += 1
      record(series.seconds, seconds)
      record(series.httpSeconds, seconds)
      if (series.rpcSeconds) record(series.rpcSeconds, seconds)
      if (series.refused) series.refused.value += 1
      if (!sizes) return
      if (series.bytes) {
        record(series.bytes.request, sizes.request)
        record(series.bytes.response, sizes.response)
      }
      sizes.active.value -= 1
      begun.delete(exchange)
    },
  }
  return { observer, families: Object.values(families) as Family<unknown>[] }
}

/** All facts have finitely many values; this is for when that should be wrong. */
const mostKnown = 1000

function isSame(a: Facts, b: Facts): boolean {
  return (
    a.status === b.status &&
    a.httpStatus === b.httpStatus &&
    a.protocol === b.protocol &&
    a.version === b.version &&
    a.code === b.code &&
    a.reason === b.reason &&
    a.method === b.method &&
    a.route === b.route
  )
}

interface Facts {
  protocol: Exchange['protocol']
  operation: string
  route: string
  method: string
  /** Empty where there was no request. */
  version: string
  httpStatus: number
  status: number
  reason: string
  code: Code | undefined
}

type Families = ReturnType<typeof exchangeFamilies>

const seconds = (name: string, description: string, boundaries: readonly number[]) =>
  distributions({ name, description, unit: 's' }, boundaries)

const bytes = (name: string, description: string) =>
  distributions({ name, description, unit: 'By' }, bodyBytes)

function exchangeFamilies() {
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
    rpcSeconds: seconds(
      'rpc.server.call.duration',
      'Time of calls over Connect, gRPC and gRPC-Web',
      serverSeconds,
    ),
  }
}

interface Common {
  scheme: string
  refused: Record<Limit, Count>
}

function makeSeries(families: Families, facts: Facts, { scheme, refused }: Common): Series {
  const { operation, status, reason } = facts
  // Kratos' two values for its two transports, and one more for each protocol that it has not.
  const kind = facts.protocol === 'rest' ? 'http' : facts.protocol
  const call = { kind, operation: operation || other }
  const http = httpAttributes(facts, scheme)
  const rpc = rpcAttributes(facts)
  const limit = limitOf(facts)
  return {
    requests: families.requests.series({ ...call, code: status, reason }),
    seconds: families.seconds.series(call),
    httpSeconds: families.httpSeconds.series(http),
    bytes: bytesOf(families, facts, http),
    rpcSeconds: rpc && families.rpcSeconds.series(rpc),
    refused: limit && refused[limit],
  }
}

/** Undefined where there was no request, so that nothing of it was counted. */
function bytesOf(families: Families, { version }: Facts, http: Attributes): Series['bytes'] {
  if (version === '') return undefined
  return {
    request: families.requestBytes.series(http),
    response: families.responseBytes.series(http),
  }
}

function limitOf({ reason, version }: Facts): Limit | undefined {
  // Whoever is refused before a request was one connection too many.
  return reason === 'OVERLOADED' && version === '' ? 'max_connections' : limitOfReason[reason]
}

function httpAttributes(facts: Facts, scheme: string): Attributes {
  const { method, route, version, httpStatus, reason } = facts
  return {
    'http.request.method': method,
    'url.scheme': scheme,
    ...(route !== '' && { 'http.route': route }),
    ...(httpStatus > 0 && { 'http.response.status_code': httpStatus }),
    ...((httpStatus >= 500 || httpStatus === 0) && { 'error.type': reason || other }),
    ...(version !== '' && { 'network.protocol.version': version }),
  }
}

/** Undefined for what is no RPC. */
function rpcAttributes({
  protocol,
  operation,
  code,
  reason,
  status,
}: Facts): Attributes | undefined {
  if (protocol === 'rest' || protocol === 'http') return undefined
  const words = protocol === 'connect' ? connectStatus : grpcStatus
  const ok = protocol === 'connect' ? undefined : 'OK'
  const result = code === undefined ? (status === 200 ? ok : undefined) : words(code)
  const isError = code === undefined ? status >= 500 : serverErrors.has(code)
  return {
    'rpc.system.name': protocol === 'connect' ? 'connectrpc' : 'grpc',
    'rpc.method': operation === '' ? other : operation.slice(1),
    ...(result !== undefined && { 'rpc.response.status_code': result }),
    ...(isError && { 'error.type': result ?? (reason || other) }),
  }
}
