import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test, type Test } from 'tap'
import { metricProducer } from '../../../src/telemetry/metric/producer.ts'
import { pushReader } from '../../../src/telemetry/metric/push.ts'
import { grpcCollector, httpCollector } from '../../help/collector.ts'
import { until } from '../../help/until.ts'
import { startProcess } from '../../help/process.ts'
import { freshSqlitePath } from '../../help/db.ts'

interface Received {
  path: string
  headers: IncomingHttpHeaders
  body: Buffer
}

/** Takes what is pushed over HTTP, as a collector does. */
async function collector(t: Test) {
  const received: Received[] = []
  const waiting: (() => void)[] = []
  const server = createServer((req, res) => {
    void buffer(req).then((body) => {
      received.push({ path: req.url ?? '', headers: req.headers, body })
      res.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
      for (const wake of waiting.splice(0)) wake()
    })
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    /** Resolves with the next push. */
    next: () => new Promise<void>((resolve) => waiting.push(resolve)),
  }
}

test('metrics are pushed over OTLP at each interval, and once more at the end', async (t) => {
  const { url, received, next } = await collector(t)
  const pushed = next()
  const service = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    METRICS_PUSH_ENDPOINT: url,
    METRICS_PUSH_INTERVAL: '0.2s',
  })
  await pushed
  await fetch(`${service.rest}/v1/users/7`)
  const before = received.length
  service.kill('SIGTERM')
  t.equal(await service.exit, 0)
  t.ok(received.length > before, 'the last numbers are not lost')
  const last = received.at(-1)
  t.equal(last?.path, '/v1/metrics')
  t.equal(last?.headers['content-type'], 'application/x-protobuf')
  const text = last?.body.toString('latin1') ?? ''
  for (const word of [
    'server_requests_code_total',
    'USER_NOT_FOUND',
    'http.server.request.duration',
    'process_start_time_seconds',
    'service.version',
  ])
    t.ok(text.includes(word), word)
})

test("OpenTelemetry's variables turn the push on and choose where it goes", async (t) => {
  const { url, received, next } = await collector(t)
  const pushed = next()
  await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    METRICS_PUSH_ENDPOINT: 'http://127.0.0.1:1',
    OTEL_TRACES_EXPORTER: 'none',
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-token=secret',
    OTEL_METRIC_EXPORT_INTERVAL: '200',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
  })
  await pushed
  const [first] = received
  t.equal(first?.headers['x-token'], 'secret')
  t.ok(first?.body.includes('deployment.environment.name'))
})

test('nothing is pushed unless somebody names an endpoint, or where OpenTelemetry is off', async (t) => {
  const tls = { caFile: '', certFile: '', keyFile: '' }
  const times = { intervalMs: 1000, timeoutMs: 1000 }
  const options = { endpoint: '', protocol: 'auto', headers: {}, tls, ...times } as const
  const named = { ...options, endpoint: 'http://127.0.0.1:1' }
  const ignore = () => undefined
  const events = { note: ignore, failing: ignore, resumed: ignore }
  const reader = (given: typeof named | typeof options, env: Record<string, string>) =>
    pushReader(given, env, metricProducer([]), events)
  t.equal(await reader(options, {}), undefined)
  t.equal(await reader(named, { OTEL_SDK_DISABLED: 'true' }), undefined)
  t.equal(await reader(named, { OTEL_METRICS_EXPORTER: 'none' }), undefined)
  t.ok(await reader(named, {}))
})

test('http/json becomes http/protobuf, and the log says so', async (t) => {
  const { url, received, next } = await collector(t)
  const pushed = next()
  const service = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_METRIC_EXPORT_INTERVAL: '200',
  })
  await pushed
  t.equal(received[0]?.headers['content-type'], 'application/x-protobuf')
  const notes = service.lines.filter(({ msg }) => String(msg).startsWith('OTEL_EXPORTER'))
  t.ok(notes.length > 0)
  t.match(notes, [{ msg: /OTLP_PROTOCOL=http\/json: http\/protobuf is used/ }])
})

test('pushes that fail are one warning, and one line when they arrive again', async (t) => {
  const gone = await httpCollector(t)
  await gone.stop()
  const service = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    METRICS_PUSH_ENDPOINT: gone.url,
    METRICS_PUSH_INTERVAL: '0.3s',
  })
  const said = () => service.lines.filter(({ msg }) => String(msg).startsWith('metrics '))
  await until('a line of the log', () => said().length > 0)
  const back = await httpCollector(t, { port: gone.port })
  await until('a line of the log', () => said().length > 1)
  const arrived = back.paths.length
  await until('more pushes', () => back.paths.length > arrived + 2)
  t.match(said(), [
    { level: 'warn', msg: /^metrics cannot be pushed/, reason: /ECONNREFUSED/ },
    { level: 'info', msg: 'metrics are pushed again' },
  ])
  t.equal(said().length, 2)
})

test('metrics pushed over HTTP to a gRPC collector fail with what to set', async (t) => {
  const collector = await grpcCollector(t)
  const service = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    METRICS_PUSH_ENDPOINT: collector.url,
    METRICS_PUSH_INTERVAL: '0.3s',
  })
  const warnings = () => service.lines.filter(({ level }) => level === 'warn')
  await until('a warning', () => warnings().length > 0)
  t.match(warnings(), [
    { reason: /set metrics\.push\.protocol or OTEL_EXPORTER_OTLP_PROTOCOL to grpc/ },
  ])
})
