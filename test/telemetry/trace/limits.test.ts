import { test } from 'tap'
import { httpCollector } from '../../help/collector.ts'
import { freshSqlitePath } from '../../help/db.ts'
import { startProcess } from '../../help/process.ts'
import { served } from '../../help/spans.ts'
import { until } from '../../help/until.ts'

test('the limits of OTEL_SPAN_* count for every span, and detectors can be left out', async (t) => {
  const collector = await httpCollector(t)
  const service = await startProcess(t, {
    TRACING_BATCH_DELAY: '0.05s',
    TRACING_ENDPOINT: collector.url,
    SQLITE_PATH: freshSqlitePath(t),
    OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '3',
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '5',
    OTEL_NODE_RESOURCE_DETECTORS: 'env',
    OTEL_RESOURCE_ATTRIBUTES: 'team=users',
  })
  await fetch(`${service.rest}/v1/users/4711`).then((answer) => answer.text())
  await until('the spans', () => served(1)(collector.spans))
  // The first call may find the connection busy.
  t.equal(collector.spans.filter(({ name }) => name !== 'connection wait').length, 5)
  const server = collector.spans.find(({ kind }) => kind === 'SERVER')
  t.equal(Object.keys(server?.attributes ?? {}).length, 3)
  const values = collector.spans.flatMap(({ attributes }) => Object.values(attributes))
  t.ok(values.every((value) => String(value).length <= 5))
  t.ok(values.some((value) => String(value).length === 5))
  t.match(server?.resource, { team: 'users', 'service.name': 'user-service' })
  t.notOk(server?.resource['host.name'])
})

test('propagators can be left out', async (t) => {
  const collector = await httpCollector(t)
  const service = await startProcess(t, {
    TRACING_BATCH_DELAY: '0.05s',
    TRACING_ENDPOINT: collector.url,
    SQLITE_PATH: freshSqlitePath(t),
    OTEL_PROPAGATORS: 'none',
  })
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const headers = { traceparent: `00-${trace}-b7ad6b7169203331-01` }
  await fetch(`${service.rest}/v1/users/4711`, { headers }).then((answer) => answer.text())
  await until('the spans', () => served(1)(collector.spans))
  const server = collector.spans.find(({ kind }) => kind === 'SERVER')
  t.equal(server?.parent, '')
  t.not(server?.traceId, trace)
})
