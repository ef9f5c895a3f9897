import { test } from 'tap'
import { httpCollector } from '../../help/collector.ts'
import { freshSqlitePath } from '../../help/db.ts'
import { type ServiceProcess, startProcess } from '../../help/process.ts'
import { trees } from '../../help/spans.ts'
import { until } from '../../help/until.ts'

const fast = { TRACING_BATCH_DELAY: '0.05s' }
const tree = [
  'SERVER GET /v1/users/{id}',
  '  UserService.GetUser',
  '    UserUseCase.Get',
  '      UserRepo.Find',
  '        CLIENT SELECT users',
].join('\n')

const get = ({ rest }: ServiceProcess) =>
  fetch(`${rest}/v1/users/4711`).then((answer) => answer.text())

test('what waits for export at the end is still sent', async (t) => {
  const collector = await httpCollector(t)
  const service = await startProcess(t, {
    TRACING_BATCH_DELAY: '600s',
    SQLITE_PATH: freshSqlitePath(t),
    TRACING_ENDPOINT: collector.url,
  })
  await get(service)
  t.same(collector.spans, [])
  service.kill('SIGTERM')
  t.equal(await service.exit, 0)
  t.same(trees(collector.spans), [tree])
})

test('Zipkin gets its own JSON', async (t) => {
  const collector = await httpCollector(t)
  const service = await startProcess(t, {
    ...fast,
    SQLITE_PATH: freshSqlitePath(t),
    TRACING_EXPORTER: 'zipkin',
    TRACING_ENDPOINT: collector.url,
  })
  await get(service)
  await until('an export', () => collector.bodies.length > 0)
  t.same(new Set(collector.paths), new Set(['/api/v2/spans']))
  const spans = collector.bodies.flatMap((body) => JSON.parse(body) as { name: string }[])
  const names = [
    'GET /v1/users/{id}',
    'SELECT users',
    'UserRepo.Find',
    'UserService.GetUser',
    'UserUseCase.Get',
  ]
  t.match(spans.map(({ name }) => name).toSorted(), names.toSorted())
})

test('the old address of Jaeger is explained, and OTLP goes to the same host', async (t) => {
  const service = await startProcess(t, {
    ...fast,
    SQLITE_PATH: freshSqlitePath(t),
    JAEGER_ENDPOINT: 'http://127.0.0.1:14268/api/traces',
  })
  t.match(
    service.lines.map(({ msg }) => msg),
    [/jaeger_endpoint http:\/\/127.0.0.1:14268\/api\/traces.*http:\/\/127.0.0.1:4318/],
  )
})

test('with no collector the service serves, drops, counts and warns once', async (t) => {
  const gone = await httpCollector(t)
  await gone.stop()
  const service = await startProcess(t, {
    ...fast,
    SQLITE_PATH: freshSqlitePath(t),
    TRACING_ENDPOINT: gone.url,
    OTEL_EXPORTER_OTLP_TIMEOUT: '200',
    SHUTDOWN_TIMEOUT: '2s',
  })
  const warnings = () => service.lines.filter(({ level }) => level === 'warn')
  for (let call = 0; call < 20; call += 1) await get(service)
  await until('a warning', () => warnings().length > 0)
  for (let call = 0; call < 20; call += 1) await get(service)
  service.kill('SIGTERM')
  t.equal(await service.exit, 0)
  t.match(warnings(), [
    { msg: /spans cannot be exported/, reason: /ECONNREFUSED/ },
    { msg: /dropped/, dropped: { export: Number, queue: 0 } },
  ])
  const { dropped } = warnings().at(-1) as unknown as { dropped: { export: number } }
  // More where a call had to wait for the one connection.
  t.ok(dropped.export >= 40 * 5, 'every span is counted')
  t.equal(warnings().length, 2, 'one when it began, one with the count at the end')
})

test('an instrumentation adds its spans below the server span and changes no other', async (t) => {
  const collector = await httpCollector(t)
  const service = await startProcess(t, {
    ...fast,
    SQLITE_PATH: freshSqlitePath(t),
    TRACING_ENDPOINT: collector.url,
    TRACING_INSTRUMENTATIONS: 'fastify',
  })
  await get(service)
  await until('the spans at the collector', () => collector.spans.length > 5)
  const hooks = collector.spans.filter(({ scope }) => scope.endsWith('instrumentation-fastify'))
  const ours = collector.spans.filter((span) => !hooks.includes(span))
  const root = ours.find(({ kind }) => kind === 'SERVER')
  t.ok(hooks.length > 0)
  t.ok(hooks.every(({ parent }) => parent === root?.id))
  t.same(trees(ours), [tree])
})
