import { test } from 'tap'
import { certificates } from '../../help/certificates.ts'
import { grpcCollector, httpCollector, type Received } from '../../help/collector.ts'
import { freshSqlitePath } from '../../help/db.ts'
import { type ServiceProcess, startProcess } from '../../help/process.ts'
import { served, trees } from '../../help/spans.ts'
import { until } from '../../help/until.ts'

// With client errors, so that an error status and an exception have to arrive, too.
const fast = { TRACING_BATCH_DELAY: '0.05s', TRACING_CLIENT_ERRORS: 'true' }
const tree = [
  'SERVER GET /v1/users/{id}',
  '  UserService.GetUser !USER_NOT_FOUND',
  '    UserUseCase.Get !USER_NOT_FOUND *',
  '      UserRepo.Find',
  '        CLIENT SELECT users',
].join('\n')

const get = ({ rest }: ServiceProcess) =>
  fetch(`${rest}/v1/users/4711`).then((answer) => answer.text())

for (const [name, collectorOf] of [
  ['gRPC', grpcCollector],
  ['HTTP', httpCollector],
] as const)
  test(`spans arrive by OTLP over ${name}, with headers and the resource`, async (t) => {
    const collector = await collectorOf(t)
    const service = await startProcess(t, {
      ...fast,
      SQLITE_PATH: freshSqlitePath(t),
      TRACING_EXPORTER: name === 'gRPC' ? 'otlp_grpc' : 'otlp_http',
      TRACING_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=7',
      DEPLOYMENT_ENVIRONMENT: 'staging',
      KUBERNETES_SERVICE_HOST: '10.0.0.1',
      POD_NAME: 'user-0',
      POD_NAMESPACE: 'shop',
      OTEL_RESOURCE_ATTRIBUTES: 'team=users,service.version=9',
    })
    await get(service)
    await until('the server spans', () => served(1)(collector.spans))
    t.same(trees(collector.spans), [tree])
    t.match(collector.spans[0], {
      scope: 'user-service',
      resource: {
        'service.name': 'user-service',
        'service.version': '9',
        'service.instance.id': /^[0-9a-f-]{36}$/,
        'deployment.environment.name': 'staging',
        'host.name': /./,
        'process.pid': service.pid,
        'process.runtime.name': 'nodejs',
        'os.type': 'linux',
        'k8s.pod.name': 'user-0',
        'k8s.namespace.name': 'shop',
        team: 'users',
      },
    })
    t.match(collector.headers[0], { 'x-tenant': '7' })
  })

for (const [name, collectorOf] of [
  ['gRPC', grpcCollector],
  ['HTTP', httpCollector],
] as const)
  for (const variable of ['TRACING_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'])
    test(`OTLP over ${name} to ${variable} takes TLS with a certificate of each side`, async (t) => {
      const { ca, caFile, issue } = certificates(t)
      const collector = await collectorOf(t, { tls: { ...issue('collector'), ca } })
      const client = issue('client')
      const service = await startProcess(t, {
        ...fast,
        SQLITE_PATH: freshSqlitePath(t),
        TRACING_EXPORTER: name === 'gRPC' ? 'otlp_grpc' : 'otlp_http',
        [variable]: collector.url,
        OTEL_METRICS_EXPORTER: 'none',
        TRACING_TLS_CA_FILE: caFile,
        TRACING_TLS_CERT_FILE: client.certFile,
        TRACING_TLS_KEY_FILE: client.keyFile,
      })
      await get(service)
      await until('the server spans', () => served(1)(collector.spans))
      t.same(trees(collector.spans), [tree])
    })

for (const [name, collectorOf] of [
  ['gRPC', grpcCollector],
  ['HTTP', httpCollector],
] as const)
  test(`log lines go to the collector over ${name} if that is wished, with their trace`, async (t) => {
    const collector = await collectorOf(t)
    const service = await startProcess(t, {
      ...fast,
      LOG_OTLP: 'true',
      SQLITE_PATH: freshSqlitePath(t),
      TRACING_EXPORTER: name === 'gRPC' ? 'otlp_grpc' : 'otlp_http',
      TRACING_ENDPOINT: collector.url,
    })
    await get(service)
    // Who waits for the service to be ready leaves such a line too.
    const ofCall = ({ attributes }: Received['logs'][number]) =>
      attributes['reason'] === 'USER_NOT_FOUND'
    await until('the server spans', () => served(1)(collector.spans) && collector.logs.some(ofCall))
    const record = collector.logs.find(ofCall)
    const root = collector.spans.find(({ kind }) => kind === 'SERVER')
    t.match(record, {
      severity: 'info',
      traceId: root?.traceId,
      spanId: root?.id,
      attributes: { code: 404, reason: 'USER_NOT_FOUND', operation: '/api.user.v1.User/GetUser' },
      resource: { 'service.name': 'user-service' },
    })
    t.match(
      service.lines.find(({ reason }) => reason === 'USER_NOT_FOUND'),
      { trace_id: root?.traceId },
      'here too',
    )
  })

test('the standard variables alone are enough, and name the propagators', async (t) => {
  const collector = await httpCollector(t)
  const service = await startProcess(t, {
    OTEL_BSP_SCHEDULE_DELAY: '50',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_SERVICE_NAME: 'users',
    OTEL_PROPAGATORS: 'b3',
    TRACING_CLIENT_ERRORS: 'true',
    SQLITE_PATH: freshSqlitePath(t),
  })
  const trace = '80f198ee56343ba864fe8b2a57d3eff7'
  const headers = {
    b3: `${trace}-e457b5a2e4d86bd1-1`,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  }
  await fetch(`${service.rest}/v1/users/4711`, { headers }).then((answer) => answer.text())
  await until('the server spans', () => served(1)(collector.spans))
  t.same(trees(collector.spans), [tree])
  const root = collector.spans.find(({ kind }) => kind === 'SERVER')
  t.match(root, {
    traceId: trace,
    parent: 'e457b5a2e4d86bd1',
    resource: { 'service.name': 'users' },
  })
})

test('spans sent by the wrong protocol are dropped with what to set', async (t) => {
  const cases = [
    [await grpcCollector(t), 'otlp_http', /set tracing\.exporter or .*_PROTOCOL to grpc/],
    [await httpCollector(t), 'otlp_grpc', /set tracing\.exporter or .*_PROTOCOL to http/],
  ] as const
  for (const [collector, exporter, advice] of cases) {
    const service = await startProcess(t, {
      ...fast,
      SQLITE_PATH: freshSqlitePath(t),
      TRACING_EXPORTER: exporter,
      TRACING_ENDPOINT: collector.url,
    })
    const warnings = () => service.lines.filter(({ level }) => level === 'warn')
    await get(service)
    await until('a warning', () => warnings().length > 0)
    t.match(warnings(), [{ msg: /^spans cannot be exported/, reason: advice }])
  }
})
