import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import { Writable } from 'node:stream'
import type { Attributes } from '@opentelemetry/api'
import { Code, ConnectError } from '@connectrpc/connect'
import { codeToString } from '@connectrpc/connect/protocol-connect'
import { status as grpcStatus } from '@grpc/grpc-js'
import pino from 'pino'
import { test, type Test } from 'tap'
import { loadConf } from '../../src/conf/conf.ts'
import { statusOf } from '../../src/call/status.ts'
import { ErrorReason } from '../../src/gen/api/errors/v1/error_reason_pb.ts'
import { accessLog } from '../../src/server/exchange/access-log.ts'
import type { Exchange } from '../../src/server/exchange/exchange.ts'
import type { Failure } from '../../src/server/exchange/failure.ts'
import type { Protocol } from '../../src/server/exchange/protocol.ts'
import { exchangeMetrics } from '../../src/telemetry/metric/exchange.ts'
import { refusals } from '../../src/telemetry/metric/refusals.ts'
import { tracingSettings } from '../../src/telemetry/trace/settings.ts'
import { startTracing } from '../../src/telemetry/trace/start.ts'
import { upperCodeName } from '../../src/text/code-name.ts'
import { callers } from '../e2e/callers.ts'
import { type RunningApp, startApp } from '../help/app.ts'
import { samplesOf } from '../help/exposition.ts'
import { type SeenSpan, served, spanMemory } from '../help/spans.ts'
import { until } from '../help/until.ts'

const protocols = ['rest', 'connect', 'grpc', 'grpc-web'] as const
const codes = Object.values(Code).filter((code) => typeof code === 'number')
const operation = '/a.B/C'
const confFile = new URL('../../configs/config.yaml', import.meta.url)
const told = ['rpc.system.name', 'rpc.method', 'rpc.response.status_code', 'error.type']

/** The attributes that tell of a call and its outcome. */
function outcomeIn(attributes: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    told.filter((name) => attributes[name] !== undefined).map((name) => [name, attributes[name]]),
  )
}

function ended(protocol: Protocol, failure: Failure | undefined, httpStatus: number): Exchange {
  return {
    method: 'POST',
    path: operation,
    protocol,
    operation,
    route: '',
    startedAt: performance.now(),
    intercepted: true,
    stream: undefined,
    failure,
    httpStatus,
    durationMs: 1,
  }
}

function metricsOf(exchange: Exchange): Record<string, Attributes> {
  const { observerFor, families } = exchangeMetrics({ scheme: 'http', paths: [] }, refusals().of)
  observerFor([ErrorReason]).end?.(exchange)
  return Object.fromEntries(
    families
      .map((family) => family.collect([0, 0]))
      .map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints[0]?.attributes ?? {}]),
  )
}

function lineOf(exchange: Exchange): Record<string, unknown> {
  const lines: string[] = []
  const write = (chunk: Buffer, _encoding: string, written: () => void) => {
    lines.push(chunk.toString())
    written()
  }
  accessLog(pino(new Writable({ write }))).end(exchange)
  return JSON.parse(lines[0] ?? '{}') as Record<string, unknown>
}

/** Gives the server span of an exchange. */
async function spanMaker(t: Test) {
  const memory = spanMemory()
  const file = { text: readFileSync(confFile, 'utf8'), origin: 'configs/config.yaml' }
  // Any exporter but none: it is replaced by the one given.
  const settings = tracingSettings(loadConf(file, { TRACING_EXPORTER: 'console' }).tracing, {})
  if (settings === undefined) throw new Error('tracing is off')
  const log = pino({ level: 'silent' })
  const identity = { service: 'test', version: 'test' }
  settings.batch.delayMs = 1
  const { exporter } = memory
  const tracing = await startTracing({ settings, identity, env: {}, log, exporter })
  t.teardown(() => tracing.stop(1000))
  return async function spanOf(exchange: Exchange): Promise<SeenSpan> {
    const known = memory.spans().length
    tracing.observer.end(exchange)
    await until('the spans', () => memory.spans().length > known)
    const span = memory.spans().at(-1)
    if (span === undefined) throw new Error('there is no span')
    return span
  }
}

const wanted = {
  rest: () => undefined,
  connect: codeToString,
  grpc: (code: Code) => grpcStatus[code],
  'grpc-web': (code: Code) => grpcStatus[code],
}

test('a failed call has the same status in its span, its metric and its line, whatever the code', async (t) => {
  const spanOf = await spanMaker(t)
  for (const protocol of protocols)
    for (const code of codes) {
      const status = statusOf(new ConnectError('', code))
      const reason = upperCodeName(code)
      const exchange = ended(protocol, { status, reason, code }, protocol === 'rest' ? status : 200)
      const span = await spanOf(exchange)
      const metrics = metricsOf(exchange)
      const rpc = metrics['rpc.server.call.duration'] ?? {}
      const name = `${protocol} ${reason}`
      t.equal(span.attributes['rpc.response.status_code'], wanted[protocol](code), name)
      if (protocol !== 'rest') t.strictSame(outcomeIn(rpc), outcomeIn(span.attributes), name)
      t.equal(span.attributes['error.type'], status >= 500 ? reason : undefined, name)
      const counted = metrics['server_requests_code_total']
      t.match(counted, { code: status, reason }, name)
      t.match(span.attributes, { 'rpc.status_code': status, 'error.reason': reason }, name)
      t.match(lineOf(exchange), { protocol, code: status, reason }, name)
    }
})

test('a call that went well is OK over gRPC, and has no code over Connect and REST', async (t) => {
  const spanOf = await spanMaker(t)
  for (const protocol of protocols) {
    const exchange = ended(protocol, undefined, 200)
    const { attributes } = await spanOf(exchange)
    const ok = protocol.startsWith('grpc') ? 'OK' : undefined
    t.equal(attributes['rpc.response.status_code'], ok, protocol)
    const rpc = metricsOf(exchange)['rpc.server.call.duration'] ?? {}
    if (protocol !== 'rest') t.strictSame(outcomeIn(rpc), outcomeIn(attributes), protocol)
    t.match(lineOf(exchange), { code: 200, reason: '' }, protocol)
  }
})

test('a request that HTTP refused has no status of a call', async (t) => {
  const spanOf = await spanMaker(t)
  for (const protocol of protocols) {
    const exchange = ended(protocol, { status: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' }, 415)
    const { attributes } = await spanOf(exchange)
    t.equal(attributes['rpc.response.status_code'], undefined, protocol)
    const rpc = metricsOf(exchange)['rpc.server.call.duration'] ?? {}
    if (protocol !== 'rest') t.strictSame(outcomeIn(rpc), outcomeIn(attributes), protocol)
  }
})

test('a client that left is no error of the service in any signal', async (t) => {
  const spanOf = await spanMaker(t)
  for (const protocol of protocols) {
    const gone: Failure = { status: 499, reason: 'CANCELED', code: Code.Canceled }
    const exchange = ended(protocol, gone, 0)
    const span = await spanOf(exchange)
    t.equal(span.failed, undefined, protocol)
    for (const attributes of [span.attributes, ...Object.values(metricsOf(exchange))])
      t.equal(attributes['error.type'], undefined, protocol)
  }
})

test('a refusal for load is an error of the service in every signal', async (t) => {
  const spanOf = await spanMaker(t)
  const code = Code.ResourceExhausted
  for (const protocol of protocols) {
    const exchange = ended(protocol, { status: 503, reason: 'OVERLOADED', code }, 503)
    const metrics = metricsOf(exchange)
    t.match((await spanOf(exchange)).attributes, { 'error.type': 'OVERLOADED' }, protocol)
    t.match(metrics['http.server.request.duration'], { 'error.type': 'OVERLOADED' }, protocol)
    if (protocol !== 'rest')
      t.match(metrics['rpc.server.call.duration'], { 'error.type': 'OVERLOADED' }, protocol)
  }
})

const underscored = (name: string) => name.replaceAll('.', '_')

/** Makes one exchange, and compares what its span says of the call with the one new series. */
async function sameInBoth(
  t: Test,
  app: RunningApp,
  memory: ReturnType<typeof spanMemory>,
  [title, make, want]: [string, () => Promise<unknown>, string | undefined],
): Promise<void> {
  const name = 'rpc_server_call_duration_seconds_count'
  const valueOf = (samples: Awaited<ReturnType<typeof samplesOf>>) =>
    new Map(samples.map(({ labels, value }) => [JSON.stringify(labels), value]))
  const before = valueOf(await samplesOf(app.metrics, name))
  const spans = await memory.of(make, served(1))
  const after = await samplesOf(app.metrics, name)
  const grown = after.filter(
    ({ labels, value }) => value !== (before.get(JSON.stringify(labels)) ?? 0),
  )
  const server = spans.find(({ kind }) => kind === 'SERVER')?.attributes ?? {}
  t.equal(server['rpc.response.status_code'], want, title)
  const said = Object.entries(outcomeIn(server)).map(([key, value]) => [underscored(key), value])
  t.strictSame(
    grown.map(({ labels }) => labels),
    // How long a stream lasts is its client's choice, so it is in no histogram.
    String(server['rpc.method']).endsWith('/Watch') ? [] : [Object.fromEntries(said)],
    title,
  )
}

/** Opens a stream of health checks and leaves it when its first message has come. */
async function leave(url: string, type: string): Promise<void> {
  const session = http2.connect(url)
  session.on('error', () => undefined)
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Watch',
    'content-type': type,
    te: 'trailers',
  })
  stream.on('error', () => undefined)
  stream.end(Buffer.from([0, 0, 0, 0, 0]))
  await once(stream, 'data')
  stream.close(http2.constants.NGHTTP2_CANCEL)
  session.close()
}

test('over real connections, too, span and metric of a call say the same', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, {
    storage: 'sqlite',
    spans: memory.exporter,
    measured: true,
    configure(conf) {
      conf.tracing.sampling.rules = {}
    },
  })
  const calls = callers(app)
  const create = `${app.rpc.url}/api.user.v1.User/CreateUser`
  const post = (path: string) => () =>
    fetch(app.rpc.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    }).then((answer) => answer.text())
  const cases: [string, () => Promise<unknown>, string | undefined][] = [
    ['Connect, found', () => calls['Connect JSON']('listUsers', {}), undefined],
    ['gRPC, found', () => calls.gRPC('listUsers', {}), 'OK'],
    ['gRPC-Web, found', () => calls['gRPC-Web']('listUsers', {}), 'OK'],
    ['Connect, missing', () => calls['Connect JSON']('getUser', { id: '9' }), 'not_found'],
    ['gRPC, missing', () => calls.gRPC('getUser', { id: '9' }), 'NOT_FOUND'],
    ['gRPC-Web, missing', () => calls['gRPC-Web']('getUser', { id: '9' }), 'NOT_FOUND'],
    ['Connect, left', () => leave(app.rpc.url, 'application/connect+proto'), 'canceled'],
    ['gRPC, left', () => leave(app.rpc.url, 'application/grpc'), 'CANCELLED'],
    ['gRPC-Web, left', () => leave(app.rpc.url, 'application/grpc-web'), 'CANCELLED'],
    ['refused by HTTP', () => fetch(create).then((answer) => answer.text()), 'unimplemented'],
    ['no such method', post('/api.user.v1.User/No'), 'unimplemented'],
  ]
  for (const one of cases) await sameInBoth(t, app, memory, one)
})

test('a failed statement has the same error type in its span and its metric', async (t) => {
  for (const [storage, type] of [
    ['sqlite', 'SQLITE_2067'],
    ['mysql', 'ER_DUP_ENTRY'],
  ] as const) {
    const memory = spanMemory()
    const app = await startApp(t, { storage, spans: memory.exporter, measured: true })
    const ada = { name: 'Ada', email: 'ada@example.org' }
    await memory.of(() => callers(app).REST('createUser', ada), served(1))
    const spans = await memory.of(() => callers(app).REST('createUser', ada), served(1))
    const isFailed = (span: (typeof spans)[number]) => 'error.type' in span.attributes
    const statement = spans.find((span) => span.kind === 'CLIENT' && isFailed(span))
    t.equal(statement?.attributes['error.type'], type)
    const samples = await samplesOf(app.metrics, 'db_client_operation_duration_seconds_count')
    const failed = samples.filter(({ labels }) => labels['error_type'] !== undefined)
    t.match(failed, [{ labels: { error_type: type, db_operation_name: 'INSERT' }, value: 1 }])
    await app.close()
  }
})
