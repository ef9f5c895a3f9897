import { attachment } from '../../memory/attachment.ts'
import type { Exchange, ExchangeObserver } from '../../server/exchange/exchange.ts'
import { rpcStatus, serverError } from '../rpc-status.ts'
import { type BodySizes, countBodies } from './body-size.ts'
import {
  type Common,
  exchangeFamilies,
  type Facts,
  type Families,
  makeSeries,
  type Series,
} from './exchange-series.ts'
import { type Count, type Family, record } from './family.ts'
import { knownMethod, knownReasons } from './labels.ts'
import type { Limit } from './refusals.ts'

interface ExchangeMetricsOptions {
  scheme: 'http' | 'https'
  /** Paths that are served without being an operation, such as those of health checks. */
  paths: readonly string[]
}

/** The settings that the labels of an exchange depend on. */
interface Labels {
  paths: readonly string[]
  reasonOf: (reason: string) => string
}

/** The state of an exchange from its beginning on. */
interface Begun extends BodySizes {
  version: string
  active: Count
}

/**
 * An observer that counts and times exchanges under Kratos' names and those of OpenTelemetry's
 * conventions, and the instruments it records to. `refused` has the counter of each limit.
 */
export function exchangeMetrics(
  { scheme, paths }: ExchangeMetricsOptions,
  refused: Record<Limit, Count>,
) {
  const families = exchangeFamilies()
  const begun = attachment<Exchange, Begun>('begun')
  const active = new Map<string, Count>()

  function activeOf(method: string): Count {
    const known = active.get(method)
    if (known !== undefined) return known
    const series = families.active.series({ 'http.request.method': method, 'url.scheme': scheme })
    active.set(method, series)
    return series
  }

  const observedWith = (seriesOf: ReturnType<typeof seriesFinder>): ExchangeObserver => ({
    begin(exchange, request, response) {
      const series = activeOf(knownMethod(exchange.method))
      series.value += 1
      const version = request.httpVersionMajor === 2 ? '2' : request.httpVersion
      const sizes: Begun = { request: 0, response: 0, version, active: series }
      begun.attach(exchange, sizes)
      countBodies(request, response, sizes)
    },
    end(exchange) {
      // Undefined for a request that was refused before it was opened.
      const sizes = begun.of(exchange)
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
    },
  })

  return {
    families: Object.values(families) as Family<unknown>[],
    /** To be called once. `reasons` are the enums that declare the reasons of errors. */
    observerFor: (reasons: readonly object[]): ExchangeObserver =>
      observedWith(
        seriesFinder(families, { scheme, refused }, { paths, reasonOf: knownReasons(reasons) }),
      ),
  }
}

/** Finds the series of an exchange among those of its operation, which are few. */
function seriesFinder(families: Families, common: Common, { paths, reasonOf }: Labels) {
  const byOperation = new Map<string, { facts: Facts; series: Series }[]>()

  function operationOf({ operation, protocol, path }: Exchange): string {
    if (operation !== '') return operation
    return protocol === 'rest' && paths.includes(path) ? path : ''
  }

  return function seriesOf(exchange: Exchange, version: string): Series {
    const operation = operationOf(exchange)
    const { protocol, failure, httpStatus } = exchange
    const reason = failure === undefined ? '' : reasonOf(failure.reason)
    const failedBy = serverError(exchange)
    const facts: Facts = {
      protocol,
      operation,
      route: exchange.route || operation,
      method: knownMethod(exchange.method),
      requested: exchange.method !== '',
      version,
      httpStatus,
      status: failure?.status ?? httpStatus,
      reason,
      rpcStatus: rpcStatus(exchange),
      errorType: failedBy === undefined || failure === undefined ? failedBy : reason,
    }
    const known = byOperation.get(operation) ?? []
    const same = known.find((one) => isSame(one.facts, facts))
    if (same !== undefined) return same.series
    const series = makeSeries(families, facts, common)
    if (known.length < maxKnown) known.push({ facts, series })
    if (byOperation.size < maxKnown) byOperation.set(operation, known)
    return series
  }
}

/** A bound for memory: all facts have few values, so it is reached only by a mistake in that. */
const maxKnown = 1000

function isSame(a: Facts, b: Facts): boolean {
  return (
    a.status === b.status &&
    a.httpStatus === b.httpStatus &&
    a.protocol === b.protocol &&
    a.version === b.version &&
    a.requested === b.requested &&
    a.rpcStatus === b.rpcStatus &&
    a.errorType === b.errorType &&
    a.reason === b.reason &&
    a.method === b.method &&
    a.route === b.route
  )
}
