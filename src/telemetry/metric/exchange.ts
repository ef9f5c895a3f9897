import { attachment } from '../../memory/attachment.ts'
import type { Exchange, ExchangeObserver } from '../../server/exchange/exchange.ts'
import { type BodySizes, countBodies } from './body-size.ts'
import {
  type Common,
  exchangeFamilies,
  type Facts,
  type Families,
  makeSeries,
  makeStreamSeries,
  type Series,
  type StreamSeries,
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

  const streamOf = streamFinder(families)

  const observedWith = (seriesOf: ReturnType<typeof seriesFinder>): ExchangeObserver => ({
    stream: (exchange) => void (streamOf(exchange).active.value += 1),
    message: (exchange, direction) => void (streamOf(exchange)[direction].value += 1),
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
      series.requests.value += 1
      // A stream lasts as long as its client likes, which says nothing about the service.
      if (exchange.stream) streamOf(exchange).active.value -= 1
      else time(series, exchange.durationMs / 1000)
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

function time({ seconds, httpSeconds, rpcSeconds }: Series, duration: number): void {
  record(seconds, duration)
  record(httpSeconds, duration)
  if (rpcSeconds) record(rpcSeconds, duration)
}

/** Finds the series of the streams of an operation, which are known when a stream begins. */
function streamFinder(families: Families) {
  const found = attachment<Exchange, StreamSeries>('stream series')
  return function streamOf(exchange: Exchange): StreamSeries {
    const known = found.of(exchange)
    if (known) return known
    const series = makeStreamSeries(families, exchange)
    found.attach(exchange, series)
    return series
  }
}

/** Finds the series of an exchange among those of its operation, which are few. */
function seriesFinder(families: Families, common: Common, { paths, reasonOf }: Labels) {
  const byOperation = new Map<string, { facts: Facts; series: Series }[]>()

  function servedPath({ protocol, path }: Exchange): string {
    return protocol === 'rest' && paths.includes(path) ? path : ''
  }

  return function seriesOf(exchange: Exchange, version: string): Series {
    const operation = exchange.operation || servedPath(exchange)
    const { protocol, failure, httpStatus } = exchange
    const facts: Facts = {
      protocol,
      operation,
      route: exchange.route || operation,
      method: knownMethod(exchange.method),
      requested: exchange.method !== '',
      version,
      httpStatus,
      failure: failure && { ...failure, reason: reasonOf(failure.reason), cause: undefined },
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
    a.httpStatus === b.httpStatus &&
    a.protocol === b.protocol &&
    a.version === b.version &&
    a.requested === b.requested &&
    a.failure?.status === b.failure?.status &&
    a.failure?.code === b.failure?.code &&
    a.failure?.reason === b.failure?.reason &&
    a.method === b.method &&
    a.route === b.route
  )
}
