// What metrics cost: CPU per request for recording, and the time of a scrape.
// `npm run bench:metrics` prints the tables; docs/metrics.md has those of one run.
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { readFileSync } from 'node:fs'
import pino from 'pino'
import { ErrorReason } from '../../src/gen/api/errors/v1/error_reason_pb.ts'
import { loadConf } from '../../src/conf/conf.ts'
import { type StatementObserver, unobserved } from '../../src/data/statement-observer.ts'
import type { Metrics } from '../../src/telemetry/metric/metrics.ts'
import { startMetrics } from '../../src/telemetry/metric/start.ts'
import type { Exchange, ExchangeObserver } from '../../src/server/exchange/exchange.ts'

const rounds = 60
const perRound = 4000

const operations = ['CreateUser', 'GetUser', 'ListUsers', 'UpdateUser', 'DeleteUser']
const outcomes = [
  [200, ''],
  [400, 'INVALID_USER_INPUT'],
  [404, 'USER_NOT_FOUND'],
  [409, 'USER_ALREADY_EXISTS'],
  [503, 'DATABASE_UNAVAILABLE'],
  [504, 'DEADLINE_EXCEEDED'],
] as const
const protocols = ['rest', 'connect', 'grpc', 'grpc-web'] as const
const body = Buffer.from('{"id":"1","name":"Ada","email":"ada@example.com","phone":"+44 20 7946"}')
const socket = new Socket()

function exchangeOf(index: number): Exchange {
  const protocol = protocols[index % protocols.length] ?? 'rest'
  const operation = `/api.user.v1.User/${operations[index % operations.length]}`
  // Mostly successes, as in life, and all the others too.
  const [status, reason] = outcomes[index % 10 < 5 ? 0 : index % outcomes.length] ?? [200, '']
  return {
    method: 'POST',
    path: operation,
    protocol,
    operation,
    route: protocol === 'rest' ? '/v1/users' : '',
    startedAt: 0,
    intercepted: true,
    stream: undefined,
    failure: reason === '' ? undefined : { status, reason },
    httpStatus: protocol.startsWith('grpc') ? 200 : status,
    durationMs: (index % 100) / 10,
  }
}

function messages(): [IncomingMessage, ServerResponse] {
  const request = new IncomingMessage(socket)
  request.method = 'POST'
  request.httpVersion = '1.1'
  request.httpVersionMajor = 1
  return [request, new ServerResponse(request)]
}

type Work = (exchange: Exchange, request: IncomingMessage, response: ServerResponse) => void

/** Microseconds of CPU for each exchange; the objects of node:http are made before the clock starts. */
function cpuOf(work: Work): number {
  const exchanges = Array.from({ length: perRound }, (_, index) => exchangeOf(index))
  const http = exchanges.map(messages)
  // So that only what is made below is collected below.
  globalThis.gc?.()
  const before = process.cpuUsage()
  for (const [index, exchange] of exchanges.entries()) {
    const [request, response] = http[index] ?? messages()
    work(exchange, request, response)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / perRound
}

function through(observer: ExchangeObserver): Work {
  return (exchange, request, response) => {
    observer.begin?.(exchange, request, response)
    request.push(body)
    response.end(body)
    observer.end(exchange)
  }
}

const unwatched: Work = (_exchange, request, response) => {
  request.push(body)
  response.end(body)
}

/** The same series by the SDK's own instruments, for comparison. */
function bySdk(): Work {
  const meter = new MeterProvider({
    readers: [new PrometheusExporter({ preventServerStart: true })],
  }).getMeter('bench')
  const requests = meter.createCounter('requests')
  const seconds = meter.createHistogram('seconds')
  const http = meter.createHistogram('http')
  const sent = meter.createHistogram('sent')
  const received = meter.createHistogram('received')
  const rpc = meter.createHistogram('rpc')
  const active = meter.createUpDownCounter('active')
  return (exchange, request, response) => {
    const { protocol, operation, method, httpStatus, failure, durationMs } = exchange
    const open = { 'http.request.method': method, 'url.scheme': 'http' }
    active.add(1, open)
    request.push(body)
    response.end(body)
    const call = { kind: protocol, operation }
    const code = failure?.status ?? httpStatus
    const attributes = {
      ...open,
      'http.route': exchange.route || operation,
      'http.response.status_code': httpStatus,
      'network.protocol.version': '1.1',
    }
    requests.add(1, { ...call, code, reason: failure?.reason ?? '' })
    seconds.record(durationMs / 1000, call)
    http.record(durationMs / 1000, attributes)
    sent.record(body.byteLength, attributes)
    received.record(body.byteLength, attributes)
    const status = String(code)
    const system = { 'rpc.system.name': 'grpc', 'rpc.method': operation }
    rpc.record(durationMs / 1000, { ...system, 'rpc.response.status_code': status })
    active.add(-1, open)
  }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** All kinds of work in turn in each round, so that what else the machine does meets all alike. */
function measure(works: Record<string, Work>): Map<string, number[]> {
  const results = new Map(Object.keys(works).map((name) => [name, [] as number[]]))
  for (let round = -2; round < rounds; round += 1)
    for (const [name, work] of Object.entries(works)) {
      const cpu = cpuOf(work)
      if (round >= 0) results.get(name)?.push(cpu)
    }
  return results
}

/** The metrics of the service as it is configured, without a port. */
function started(): Promise<Metrics> {
  const file = new URL('../../configs/config.yaml', import.meta.url)
  const source = { text: readFileSync(file, 'utf8'), origin: 'configs/config.yaml' }
  const conf = loadConf(source, { METRICS_ADDR: '' })
  const identity = { service: 'bench', version: '' }
  return startMetrics({ conf, identity, env: {}, log: pino({ level: 'silent' }) })
}

async function printRecording(): Promise<void> {
  const metrics = await started()
  const results = measure({
    'no metrics': unwatched,
    'src/metrics': through(metrics.exchanges([ErrorReason])),
    "the SDK's instruments": bySdk(),
  })
  const base = results.get('no metrics') ?? []
  console.log('| recording | CPU µs per request, median (least) | above no metrics, median |')
  console.log('| --- | --- | --- |')
  for (const [name, values] of results) {
    const above = values.map((value, round) => value - (base[round] ?? 0))
    const least = Math.min(...values).toFixed(2)
    console.log(
      `| ${name} | ${median(values).toFixed(2)} (${least}) | ${median(above).toFixed(2)} |`,
    )
  }
  await metrics.stop(1000)
}

const sql =
  'select `id`, `name`, `email`, `phone`, `created_at` from `users` where `users`.`id` = ?'

/** Microseconds of CPU for a statement that takes no time, and its connection. */
async function cpuOfStatement(observer: StatementObserver): Promise<number> {
  globalThis.gc?.()
  const before = process.cpuUsage()
  for (let index = 0; index < perRound; index += 1) {
    const since = performance.now()
    observer.waited(since)
    await observer.statement(sql, async () => undefined)
    observer.used?.(since)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / perRound
}

async function printStatements(): Promise<void> {
  const metrics = await started()
  const storage = { system: 'mysql', namespace: 'users', address: 'db', port: 3306 }
  const watched = metrics.statements(storage)
  const above: number[] = []
  for (let round = -2; round < rounds; round += 1) {
    const base = await cpuOfStatement(unobserved)
    const cpu = await cpuOfStatement(watched)
    if (round >= 0) above.push(cpu - base)
  }
  console.log('| each statement | above no metrics, CPU µs, median |')
  console.log('| --- | --- |')
  console.log(`| src/metrics | ${median(above).toFixed(2)} |`)
  await metrics.stop(1000)
}

async function timeOf(metrics: Metrics): Promise<{ ms: number; cpu: number; text: string }> {
  const cpu = process.cpuUsage()
  const begin = performance.now()
  const text = await metrics.text()
  const ms = performance.now() - begin
  const { user, system } = process.cpuUsage(cpu)
  return { ms, cpu: (user + system) / 1000, text }
}

async function printScrape(): Promise<void> {
  const metrics = await started()
  const work = through(metrics.exchanges([ErrorReason]))
  for (let index = 0; index < 1000; index += 1) work(exchangeOf(index), ...messages())
  const times: number[] = []
  const cpus: number[] = []
  let lines = 0
  let bytes = 0
  for (let index = 0; index < 40; index += 1) {
    const { ms, cpu, text } = await timeOf(metrics)
    if (index >= 10) {
      times.push(ms)
      cpus.push(cpu)
    }
    lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length
    bytes = Buffer.byteLength(text)
  }
  console.log('| scrape | time ms, median (most) | CPU ms, median | samples | kB |')
  console.log('| --- | --- | --- | --- | --- |')
  const most = Math.max(...times).toFixed(1)
  console.log(
    `| all series | ${median(times).toFixed(1)} (${most}) | ${median(cpus).toFixed(1)} | ${lines} | ${Math.round(bytes / 1000)} |`,
  )
  await metrics.stop(1000)
}

console.log(`Node ${process.version}, ${rounds} rounds of ${perRound} requests\n`)
await printRecording()
console.log('')
await printStatements()
console.log('')
await printScrape()
