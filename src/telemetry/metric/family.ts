import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api'
import { millisToHrTime } from '@opentelemetry/core'
import { AggregationTemporality, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics'

// Instruments for the hot path. The SDK's find a series by sorting and serializing its attributes at each
// call, which takes longer than everything recorded for a request (figures in docs/metrics.md). These give
// a series once; the caller keeps it and records to it directly.

interface Descriptor {
  name: string
  description: string
  /** As OpenTelemetry writes it: `s`, `By`, `{call}`, `1`. */
  unit: string
}

/** The number of one series. */
export interface Count {
  value: number
}

/** The distribution of one series. */
export interface Distribution {
  readonly boundaries: readonly number[]
  /** Counts of single buckets, not cumulative; the last is for values above all boundaries. */
  readonly counts: number[]
  count: number
  sum: number
}

/** All series of one metric. */
export interface Family<Series> {
  /**
   * The series with these attributes, made when it is new. Past `maxSeries` all new attributes share
   * the series `otel.metric.overflow`, as in the SDK.
   */
  series: (attributes: Attributes) => Series
  collect: (endTime: HrTime) => MetricData
}

/** The SDK's own limit, the series for the overflow included. */
const maxSeries = 2000

/** A number that only grows, or (`monotonic: false`) that goes up and down. */
export function counts(descriptor: Descriptor, { monotonic = true } = {}): Family<Count> {
  const { series, points } = store<Count>(() => ({ value: 0 }))
  return {
    series,
    collect: (endTime) => ({
      descriptor: { ...descriptor, valueType: ValueType.INT },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPointType: DataPointType.SUM,
      isMonotonic: monotonic,
      dataPoints: points(endTime, ({ value }) => value),
    }),
  }
}

/** A distribution over buckets, whose upper bounds are `boundaries`. */
export function distributions(
  descriptor: Descriptor,
  boundaries: readonly number[],
): Family<Distribution> {
  const bounds = [...boundaries]
  const { series, points } = store<Distribution>(() => ({
    boundaries: bounds,
    counts: Array.from({ length: bounds.length + 1 }, () => 0),
    count: 0,
    sum: 0,
  }))
  return {
    series,
    collect: (endTime) => ({
      descriptor: { ...descriptor, valueType: ValueType.DOUBLE },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: points(endTime, ({ counts, count, sum }) => ({
        // A copy: recording goes on while an exporter reads.
        buckets: { boundaries: bounds, counts: [...counts] },
        count,
        sum,
      })),
    }),
  }
}

/** Adds one value, in the unit of the family. */
export function record(distribution: Distribution, value: number): void {
  const { boundaries, counts } = distribution
  let bucket = 0
  while (bucket < boundaries.length && value > (boundaries[bucket] ?? Infinity)) bucket += 1
  counts[bucket] = (counts[bucket] ?? 0) + 1
  distribution.count += 1
  distribution.sum += value
}

interface Point<Series> {
  attributes: Attributes
  startTime: HrTime
  series: Series
}

const overflow = { 'otel.metric.overflow': true }

function store<Series>(make: () => Series) {
  const known = new Map<string, Point<Series>>()

  function added(key: string, attributes: Attributes): Point<Series> {
    const point = { attributes, startTime: millisToHrTime(Date.now()), series: make() }
    known.set(key, point)
    return point
  }

  function series(attributes: Attributes): Series {
    const sorted = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1))
    const key = JSON.stringify(sorted)
    const point = known.get(key)
    if (point !== undefined) return point.series
    if (known.size < maxSeries - 1) return added(key, attributes).series
    return (known.get('overflow') ?? added('overflow', overflow)).series
  }

  function points<T>(endTime: HrTime, valueOf: (series: Series) => T) {
    return Array.from(known.values(), (point) => {
      // A clock that was set back would give an interval of negative length.
      if (isBefore(endTime, point.startTime)) point.startTime = endTime
      const { attributes, startTime, series } = point
      return { attributes, startTime, endTime, value: valueOf(series) }
    })
  }
  return { series, points }
}

function isBefore([seconds, nanos]: HrTime, [thanSeconds, thanNanos]: HrTime): boolean {
  return seconds < thanSeconds || (seconds === thanSeconds && nanos < thanNanos)
}
