// How throughput behaves past capacity: `npm run bench:overload [-- --rounds N --seconds N …]`.
// Several checkouts compare in turns: `--variant before=../other --variant after=.`.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { testDatabase } from '../../scripts/mariadb.ts'
import type { Order, Report } from './generator.ts'
import { divideCores, pinned } from '../measure/cores.ts'
import { emptyDatabase } from '../measure/empty-database.ts'
import { pairs } from '../measure/pairs.ts'
import { median } from '../measure/statistics.ts'
import { type Service, startService } from './service.ts'
import { goodput, resultTable } from './table.ts'

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
    // The default is past the calls that the service takes at once, so that it has something to refuse.
    connections: { type: 'string', default: 'rest=4000,grpc=40' },
    // Folders of the service to compare, by name; the first is the measure.
    variant: {
      type: 'string',
      multiple: true,
      default: [`this=${join(import.meta.dirname, '../..')}`],
    },
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
const settings = pairs(values.set)
const variants = pairs(values.variant)
const connections = pairs(values.connections.split(','))
const warmUp = { load: { concurrency: 64 }, seconds: 5 }
const table = resultTable()

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

/** The variants of one storage, which one kind of client calls in turns. */
interface Turn {
  kind: Order['kind']
  storage: string
  services: readonly { variant: string; service: Service }[]
}

function orderOf({ kind }: Turn, { ports, pid }: Service) {
  return { kind, port: ports[kind], connections: Number(connections[kind]), pid }
}

/**
 * Capacity by a closed loop, then the loads, all in one turn, since the machine changes. The variants
 * share one capacity, so that each gets as many calls, and each has as much time to get warm.
 */
async function round(generator: Generator, turn: Turn, index: number): Promise<void> {
  const { kind, storage, services } = turn
  const first = index % services.length
  // Each comes first in its turn, so that none always follows the same one.
  const inTurn = [...services.slice(first), ...services.slice(0, first)]
  const best = new Map<string, number>()

  async function measure(name: string, load: Order['load']): Promise<void> {
    for (const { variant, service } of inTurn) {
      const order = { ...orderOf(turn, service), seconds, load }
      const report = await ordered(generator, order)
      table.note({ kind, storage, variant, load: name }, report)
      best.set(variant, Math.max(best.get(variant) ?? 0, goodput(report)))
    }
  }

  for (const concurrency of ramp) await measure(`${concurrency} at once`, { concurrency })
  const capacity = median([...best.values()])
  for (const load of loads) await measure(`${load} x`, { rate: capacity * load })
}

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const cores = divideCores()
  const dir = mkdtempSync(join(tmpdir(), 'bench-overload-'))
  stack.defer(() => rmSync(dir, { recursive: true, force: true }))
  const turns: Turn[] = []
  for (const storage of storages) {
    const services = await startVariants(storage, dir, cores.service, stack)
    turns.push(...kinds.map((kind) => ({ kind, storage, services })))
  }
  const generator = startGenerator(cores.generator)
  stack.defer(() => void generator.child.kill())
  for (const turn of turns)
    for (const { service } of turn.services)
      await ordered(generator, { ...orderOf(turn, service), ...warmUp })
  for (let index = 0; index < rounds; index += 1)
    for (const turn of turns) {
      await round(generator, turn, index)
      console.log(`round ${index + 1} of ${rounds}: ${turn.kind} on ${turn.storage}`)
    }
  console.log(`${rounds} rounds of ${seconds} s, connections: ${values.connections}`)
  console.log(table.print(Object.keys(variants)))
}

/** One service of each variant, each with a database of its own. */
async function startVariants(
  storage: string,
  dir: string,
  core: number | undefined,
  stack: AsyncDisposableStack,
): Promise<Turn['services']> {
  const dsn = storage === 'mysql' ? stack.use(await testDatabase()).dsn : undefined
  const services = []
  for (const [variant, folder] of Object.entries(variants)) {
    const env = dsn
      ? { DB_DSN: await emptyDatabase(dsn, `bench_${services.length}`) }
      : { SQLITE_PATH: join(dir, `${variant}.db`) }
    const service = await startService(resolve(folder), { ...env, ...settings }, core)
    stack.defer(() => service.stop())
    services.push({ variant, service })
  }
  return services
}

try {
  await main()
} catch (err) {
  console.error(`bench: ${err instanceof Error ? err.message : String(err)}`)
  process.exitCode = 1
}
