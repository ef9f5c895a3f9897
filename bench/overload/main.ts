// How throughput behaves past capacity: `npm run bench:overload [-- --rounds N --seconds N …]`.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createConnection } from 'mysql2/promise'
import { testDatabase } from '../../scripts/mariadb.ts'
import type { Order, Report } from './generator.ts'
import { pinned, type Service, startService } from './service.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    kinds: { type: 'string', default: 'rest,grpc' },
    storages: { type: 'string', default: 'sqlite,mysql' },
    // Calls at once, to find the capacity.
    ramp: { type: 'string', default: '16,32,128' },
    // Calls that arrive, in multiples of it.
    loads: { type: 'string', default: '0.5,1,1.5,2' },
    // Settings of the service by their variables: --set MAX_CONCURRENT_CALLS=64.
    set: { type: 'string', multiple: true, default: [] },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const kinds = values.kinds.split(',') as Order['kind'][]
const storages = values.storages.split(',')
const ramp = values.ramp.split(',').map(Number)
const loads = values.loads.split(',').map(Number)
const settings = Object.fromEntries(
  values.set.map((setting) => /^(.*?)=(.*)$/s.exec(setting)?.slice(1) ?? [setting, '']),
)
const warmUp = { load: { concurrency: 64 }, seconds: 5 }

/** One line of the table, one entry a round. */
interface Row {
  kind: Order['kind']
  storage: string
  load: string
  reports: Report[]
  /** Goodput per second, as a share of the round's best; and the same per CPU-second. */
  shares: number[]
  sharesOfCpu: number[]
}

const rows = new Map<string, Row>()
const goodput = ({ counts, seconds }: Report) => counts.ok / seconds
/** Takes out what other programs take of the core: what the service makes of the time it got. */
const perCpu = (report: Report) => goodput(report) / report.serverCpu

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** This process, the generator and the database keep off the core of the service. */
function divideCores(): { service: number | undefined; generator: number | undefined } {
  const divided =
    availableParallelism() > 1 &&
    spawnSync('taskset', ['-a', '-cp', '1', `${process.pid}`]).status === 0
  if (!divided) console.log('taskset or a second core is missing: nothing is pinned')
  return divided ? { service: 0, generator: 1 } : { service: undefined, generator: undefined }
}

interface Generator {
  child: ChildProcess
  /** Aborts when it has ended, which it does not by itself. */
  gone: AbortSignal
}

function startGenerator(core: number | undefined): Generator {
  const command = [...pinned(core), process.execPath, join(import.meta.dirname, 'generator.ts')]
  const child = spawn(command[0] ?? '', command.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const gone = new AbortController()
  child.once('exit', (code) => gone.abort(new Error(`the generator ended with ${code}`)))
  return { child, gone: gone.signal }
}

async function ordered({ child, gone }: Generator, order: Order): Promise<Report> {
  child.send(order)
  const [report] = (await once(child, 'message', { signal: gone })) as [Report]
  return report
}

function note(kind: Order['kind'], storage: string, load: string, report: Report): void {
  const key = `${kind} ${storage} ${load}`
  const row = rows.get(key) ?? { kind, storage, load, reports: [], shares: [], sharesOfCpu: [] }
  row.reports.push(report)
  rows.set(key, row)
}

/** Capacity by a closed loop, then the loads, all in one turn, since the machine changes. */
async function round(generator: Generator, kind: Order['kind'], storage: string, service: Service) {
  const common = { kind, port: service.ports[kind], pid: service.pid, seconds }
  let capacity = 0
  for (const concurrency of ramp) {
    const report = await ordered(generator, { ...common, load: { concurrency } })
    note(kind, storage, `${concurrency} at once`, report)
    capacity = Math.max(capacity, goodput(report))
  }
  for (const load of loads) {
    const report = await ordered(generator, { ...common, load: { rate: capacity * load } })
    note(kind, storage, `${load} x`, report)
  }
}

/** The best of each round is its own measure. */
function compare(kind: Order['kind'], storage: string): void {
  const own = [...rows.values()].filter((row) => row.kind === kind && row.storage === storage)
  for (let index = 0; index < rounds; index += 1) {
    const reports = own.flatMap(({ reports }) => reports[index] ?? [])
    const best = Math.max(...reports.map(goodput))
    const bestOfCpu = Math.max(...reports.filter(({ serverCpu }) => serverCpu > 0.3).map(perCpu))
    for (const row of own) {
      const report = row.reports[index]
      if (!report) continue
      row.shares.push(goodput(report) / best)
      row.sharesOfCpu.push(perCpu(report) / bestOfCpu)
    }
  }
}

function line({ kind, storage, load, reports, shares, sharesOfCpu }: Row): string {
  const of = (figure: (report: Report) => number) => median(reports.map(figure))
  const percent = (share: number) => `${Math.round(share * 100)} %`
  const spread = `${percent(Math.min(...shares))}–${percent(Math.max(...shares))}`
  const cells = [
    kind,
    storage,
    load,
    of(goodput).toFixed(0),
    `${percent(median(shares))} (${spread})`,
    of(perCpu).toFixed(0),
    percent(median(sharesOfCpu)),
    of(({ counts, seconds }) => counts.refused / seconds).toFixed(0),
    of(({ counts, gaveUp, seconds }) => (counts.failed + gaveUp) / seconds).toFixed(0),
    of(({ p50Ms }) => p50Ms).toFixed(1),
    of(({ p99Ms }) => p99Ms).toFixed(0),
    `${percent(of(({ serverCpu }) => serverCpu))}, ${percent(of(({ generatorCpu }) => generatorCpu))}`,
  ]
  return `| ${cells.join(' | ')} |`
}

const head = `
Medians of ${rounds} rounds of ${seconds} s. "of best": goodput as a share of the best of its round (lowest to highest).

| port | storage | load | 2xx/s | of best | 2xx per CPU-s | of best | refused/s | failed/s | p50 ms | p99 ms | CPU service, generator |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |`

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const cores = divideCores()
  const dir = mkdtempSync(join(tmpdir(), 'bench-overload-'))
  stack.defer(() => rmSync(dir, { recursive: true, force: true }))
  const services = new Map<string, Service>()
  for (const storage of storages) {
    const env =
      storage === 'sqlite'
        ? { SQLITE_PATH: join(dir, 'bench.db') }
        : { DB_DSN: await emptyMysqlDatabase(stack) }
    const service = await startService({ ...env, ...settings }, cores.service)
    stack.defer(() => service.stop())
    services.set(storage, service)
  }
  const generator = startGenerator(cores.generator)
  stack.defer(() => void generator.child.kill())
  const turns = [...services].flatMap(([storage, service]) =>
    kinds.map((kind) => ({ storage, service, kind })),
  )
  for (const { kind, service } of turns)
    await ordered(generator, { kind, port: service.ports[kind], pid: service.pid, ...warmUp })
  for (let index = 1; index <= rounds; index += 1)
    for (const { kind, storage, service } of turns) {
      await round(generator, kind, storage, service)
      console.log(`round ${index} of ${rounds}: ${kind} on ${storage}`)
    }
  for (const { kind, storage } of turns) compare(kind, storage)
  console.log([head, ...[...rows.values()].map(line)].join('\n'))
}

async function emptyMysqlDatabase(stack: AsyncDisposableStack): Promise<string> {
  const { dsn } = stack.use(await testDatabase())
  const connection = await createConnection(dsn)
  await connection.query('CREATE DATABASE bench CHARACTER SET utf8mb4')
  await connection.end()
  return new URL('/bench', dsn).href
}

try {
  await main()
} catch (err) {
  console.error(`bench: ${err instanceof Error ? err.message : String(err)}`)
  process.exitCode = 1
}
