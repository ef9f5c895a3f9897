// What tracing costs: CPU of the service per request, with tracing off, and at 0, 0.1 and 1 in one process,
// on the real path (REST and gRPC, MariaDB, one statement a call, access log on), and in process.
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
const warmUp = 30_000

/** The processes, by their settings. */
const processes: Record<string, Record<string, string>> = {
  off: { TRACING_EXPORTER: 'off' },
  'off again': { TRACING_EXPORTER: 'off' },
  traced: {},
  ...(values.instrumentations && { 'traced, fastify': { TRACING_INSTRUMENTATIONS: 'fastify' } }),
}

interface Mode {
  process: string
  /** Set while the process runs, since two processes of one program may differ by a quarter. */
  ratio?: string
  /** The mode that it is compared with. */
  against?: string
}

const modes: Record<string, Mode> = {
  off: { process: 'off' },
  'off again': { process: 'off again', against: 'off' },
  'ratio 0': { process: 'traced', ratio: '0.0', against: 'off' },
  'ratio 0.1': { process: 'traced', ratio: '0.1', against: 'ratio 0' },
  'ratio 1': { process: 'traced', ratio: '1.0', against: 'ratio 0' },
  ...(values.instrumentations && {
    'ratio 1, fastify': { process: 'traced, fastify', ratio: '1.0', against: 'ratio 0' },
  }),
}
const names = Object.keys(modes)

function environment(name: string, dsn: string, sink: string): Record<string, string> {
  return {
    DB_DSN: dsn,
    TRACING_ENDPOINT: sink,
    TRACING_BATCH_DELAY: '1s',
    OTEL_BSP_MAX_QUEUE_SIZE: '20000',
    ...processes[name],
  }
}

/** One slice: CPU of the service per call, in µs. */
async function slice(service: Service, call: Call, { ratio }: Mode): Promise<number> {
  if (ratio !== undefined) await service.sample(ratio)
  const begin = cpuNs(service.pid)
  await load(call, callsOfASlice, inFlight)
  return (cpuNs(service.pid) - begin) / callsOfASlice / 1000
}

async function compare(protocol: Protocol, services: Map<string, Service>): Promise<void> {
  const calls = new Map<string, Call>()
  for (const [name, service] of services) calls.set(name, caller(protocol, service))
  for (const call of calls.values()) await load(call, warmUp, inFlight)
  const costs = new Map<string, number[]>(names.map((name) => [name, []]))
  for (let pair = 0; pair < pairs; pair += 1) {
    // Each goes first, last and between as often as the others, so that drift cancels out.
    const turn = names.map((_, at) => names[(at + pair) % names.length] ?? '')
    for (const name of pair % 2 === 0 ? turn : turn.toReversed()) {
      const mode = modes[name]
      const [service, call] = [services.get(mode?.process ?? ''), calls.get(mode?.process ?? '')]
      if (mode && service && call) costs.get(name)?.push(await slice(service, call, mode))
    }
  }
  print(protocol, costs)
}

function print(protocol: Protocol, costs: Map<string, number[]>): void {
  console.log(
    `\n| ${protocol} | CPU µs/call, median (min) | more, µs | more, % [quarters] | than |`,
  )
  console.log('| --- | --- | --- | --- | --- |')
  for (const [name, own] of costs) {
    const against = modes[name]?.against ?? ''
    const other = costs.get(against) ?? []
    const cost = `${median(own).toFixed(0)} (${Math.min(...own).toFixed(0)})`
    console.log(
      `| ${name} | ${cost} | ${against === '' ? '| ' : moreThan(own, other)} | ${against} |`,
    )
  }
}

function moreThan(own: readonly number[], other: readonly number[]): string {
  const added = own.map((cost, pair) => cost - (other[pair] ?? Number.NaN))
  const percents = added.map((more, pair) => (more / (other[pair] ?? Number.NaN)) * 100)
  const percent = (part: number) => quantile(percents, part).toFixed(1)
  return `${median(added).toFixed(0)} | ${percent(0.5)} [${percent(0.25)} … ${percent(0.75)}]`
}

console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}; ${pairs} rounds, ${callsOfASlice} calls a slice, ${inFlight} in flight`,
)
await using server = await testDatabase()
const dsn = await emptyDatabase(server.dsn, 'bench_tracing')
const sink = await startSink()
const services = new Map<string, Service>()
try {
  for (const name of Object.keys(processes))
    services.set(name, await startService(environment(name, dsn, sink.url)))
  const created = await fetch(`${services.get('off')?.rest}/v1/users`, {
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
