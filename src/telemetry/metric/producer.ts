import { millisToHrTime } from '@opentelemetry/core'
import { emptyResource } from '@opentelemetry/resources'
import type { MetricProducer } from '@opentelemetry/sdk-metrics'
import type { Family } from './family.ts'

/** The instrumentation scope of all metrics. */
export const scope = { name: 'user-service' }

/** Gives the series of `families` to the SDK's readers, which add the SDK's own and the resource. */
export function metricProducer(families: readonly Family<unknown>[]): MetricProducer {
  return {
    async collect() {
      const now = millisToHrTime(Date.now())
      const metrics = families
        .map((family) => family.collect(now))
        .filter(({ dataPoints }) => dataPoints.length > 0)
      return {
        // The readers use the SDK's resource instead.
        resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope, metrics }] },
        errors: [],
      }
    },
  }
}
