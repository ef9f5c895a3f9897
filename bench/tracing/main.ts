// What tracing costs: CPU of the service per request, with tracing off, at 0, at 0.1 and at 1, on the
// real path (REST and gRPC, MariaDB, one statement a call, access log on), and in process.
// `node bench/tracing/main.ts [--pairs 30] [--calls 400]
// [--instrumentations]`; needs Linux and what the tests need.
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { testDatabase } from '../../scripts/mariadb.ts'
import { emptyDatabase } from '../measure/empty-database.ts'
import { type Call, caller, load, type Protocol } from './load.ts'
import { cpuNs } from '../measure/process-cpu.ts'
import { recorderTable } from './recorder.ts'
import { type Service, startService } from './service.ts'
import { startSink } from './start-sink.ts'
import { median, quantile } from '../measure/statistics.ts'

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '30' },
    calls: { type: 'string', default: '1500' },
    instrumentations: { type: 'boolean', default: false },
  },
})
const pairs = Number(values.pairs)
const callsOfASlice = Number(values.calls)
const inFlight = 16

/** The first is what the others are compared with; the second is the same once more. */
const modes: Record<string, Record<string, string>> = {
  off: {},
  'off again': {},
  'ratio 0': { TRACING_RATIO: '0' },
  'ratio 0.1': { TRACING_RATIO: '0.1' },
  'ratio 1': { TRACING_RATIO: '1' },
  ...(values.instrumentations && {
    'ratio 1, fastify': { TRACING_RATIO: '1', TRACING_INSTRUMENTATIONS: 'fastify' },
  }),
}
const baseline = 'off'
const names = Object.keys(modes)

function environment(mode: string, dsn: string, sink: string): Record<string, string> {
  const off = mode.startsWith('off')
  return {
    DB_DSN: dsn,
    ...(off ? { TRACING_EXPORTER: 'off' } : { TRACING_ENDPOINT: sink }),
    TRACING_BATCH_DELAY: '1s',
    OTEL_BSP_MAX_QUEUE_SIZE: '20000',
    ...modes[mode],
  }
}

/** One slice: CPU of the service per call, in µs. */
async function slice(service: Service, call: Call): Promise<number> {
  const begin = cpuNs(service.pid)
  await load(call, callsOfASlice, inFlight)
  return (cpuNs(service.pid) - begin) / callsOfASlice / 1000
}

async function compare(protocol: Protocol, services: Map<string, Service>): Promise<void> {
  const calls = new Map<string, Call>()
  for (const [name, service] of services) calls.set(name, caller(protocol, service))
  for (const call of calls.values()) await load(call, 2000, inFlight)
  const costs = new Map<string, number[]>(names.map((name) => [name, []]))
  for (let pair = 0; pair < pairs; pair += 1) {
    // Each goes first, last and between as often as the others, so that drift cancels out.
    const turn = names.map((_, at) => names[(at + pair) % names.length] ?? baseline)
    for (const name of pair % 2 === 0 ? turn : turn.toReversed()) {
      const [service, call] = [services.get(name), calls.get(name)]
      if (service && call) costs.get(name)?.push(await slice(service, call))
    }
  }
  print(protocol, costs)
}

function print(protocol: Protocol, costs: Map<string, number[]>): void {
  const off = costs.get(baseline) ?? []
  console.log(`\n| ${protocol} | CPU µs/call, median (min) | against off: median [quarters] |`)
  console.log('| --- | --- | --- |')
  for (const [name, own] of costs) {
    const deltas = own.map((cost, pair) => (cost / (off[pair] ?? Number.NaN) - 1) * 100)
    const percent = (part: number) => `${quantile(deltas, part).toFixed(1)} %`
    const cost = `${median(own).toFixed(0)} (${Math.min(...own).toFixed(0)})`
    const delta = name === baseline ? '' : `${percent(0.5)} [${percent(0.25)} … ${percent(0.75)}]`
    console.log(`| ${name} | ${cost} | ${delta} |`)
  }
}

console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}; ${pairs} rounds, ${callsOfASlice} calls a slice, ${inFlight} in flight`,
)
await using server = await testDatabase()
const dsn = await emptyDatabase(server.dsn, 'bench_tracing')
const sink = await startSink()
const services = new Map<string, Service>()
try {
  for (const name of names) services.set(name, await startService(environment(name, dsn, sink.url)))
  const created = await fetch(`${services.get(baseline)?.rest}/v1/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"Ada","email":"ada@example.org"}',
  })
  if (!created.ok) throw new Error(await created.text())
  await compare('REST', services)
  await compare('gRPC', services)
} finally {
  for (const service of services.values()) service.stop()
  sink.stop()
}
await recorderTable(5)
process.exit(0)
