import { ValueType } from '@opentelemetry/api'
import { AggregationTemporality, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics'
import { test } from 'tap'
import { prometheusName } from '../../../src/telemetry/metric/prometheus.ts'

const gauge = (name: string, unit: string): MetricData => ({
  descriptor: { name, unit, description: '', valueType: ValueType.DOUBLE },
  aggregationTemporality: AggregationTemporality.CUMULATIVE,
  dataPointType: DataPointType.GAUGE,
  dataPoints: [],
})
const counter = (name: string, unit: string): MetricData => ({
  ...gauge(name, unit),
  dataPointType: DataPointType.SUM,
  isMonotonic: true,
  dataPoints: [],
})

test('a name gets its unit as a suffix, once', async (t) => {
  for (const [metric, name] of [
    [gauge('http.server.request.duration', 's'), 'http.server.request.duration.seconds'],
    [gauge('v8js.memory.heap.used', 'By'), 'v8js.memory.heap.used.bytes'],
    [gauge('nodejs.eventloop.utilization', '1'), 'nodejs.eventloop.utilization.ratio'],
    [gauge('http.server.active_requests', '{request}'), 'http.server.active_requests'],
    [gauge('service_build_info', ''), 'service_build_info'],
    [gauge('server_requests_seconds', 's'), 'server_requests_seconds'],
    [gauge('process_start_time_seconds', 's'), 'process_start_time_seconds'],
    [counter('server_requests_code_total', '{call}'), 'server_requests_code_total'],
    [counter('nodejs.eventloop.time', 's'), 'nodejs.eventloop.time.seconds'],
  ] as const)
    t.equal(prometheusName(metric), name)
})

test('a gauge does not end as the samples of a histogram do', async (t) => {
  const metric = gauge('db.client.connection.count', '{connection}')
  t.equal(prometheusName(metric), 'db.client.connections')
})
