// What a call costs beside the same service on other stacks: `npm run bench [-- --quick]`.
// --cases get,rest-list,… --traced get --ratios 0.1,1.0 --servers ours,kratos,… --rounds N --seconds N
// --processes N; --variant name=PATH measures another checkout in turn, --ours-env KEY=VALUE this one with a setting.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { durableDatabase } from '../../scripts/mariadb.ts'
import { type Cores, divideCores } from '../measure/cores.ts'
import { emptyDatabase } from '../measure/empty-database.ts'
import { rssMb } from '../measure/process-cpu.ts'
import { seed } from '../measure/seed.ts'
import { buildPrograms, type Programs } from './build.ts'
import { type Options, readOptions } from './options.ts'
import { report } from './report.ts'
import {
  controlName,
  failures,
  merged,
  oursName,
  type Rest,
  type Results,
  type Row,
} from './results.ts'
import { type Running, start } from './running.ts'
import { idOf, type Make, ours, peers, type Server } from './servers.ts'
import { type Bench, type Case, nameOf, slice } from './slice.ts'
import { warmUp } from './warm-up.ts'

const project = join(import.meta.dirname, '../..')

/** A collector that drops what it gets; its URL. */
async function startCollector(load: string, stack: AsyncDisposableStack): Promise<string> {
  const child = spawn(load, ['sink'], { stdio: ['ignore', 'pipe', 'inherit'] })
  stack.defer(() => void child.kill())
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  return `http://127.0.0.1:${port.toString().trim()}`
}

/** Shows that what is called traced has sent its spans. */
async function seenBy(collector: string): Promise<string> {
  const { exports, bytes } = (await (await fetch(`${collector}/seen`)).json()) as Seen
  return `${exports} exports, ${(bytes / 1e6).toFixed(1)} MB`
}

interface Seen {
  exports: number
  bytes: number
}

/** The servers of a run; each checkout has a database of its own, and the peers share the first. */
async function chosenServers(
  options: Options,
  programs: Programs,
  server: { dsn: string; collector: string },
): Promise<Server[]> {
  async function surroundings(folder: string, index: number) {
    const dsn = await emptyDatabase(server.dsn, `bench_${index}`)
    await seed(folder, { DB_DSN: dsn }, options.users)
    return { dsn, collector: server.collector }
  }
  const own = await surroundings(project, 0)
  const variants: Make[] = []
  for (const [name, path] of Object.entries(options.variants)) {
    const folder = resolve(path)
    variants.push(ours(name, folder, await surroundings(folder, variants.length + 1)))
  }
  const makes = [
    ours(oursName, project, own),
    ours(controlName, project, own),
    ...options.settings.map((setting) => {
      const [key = '', value = ''] = setting.split(/=(.*)/s)
      return ours(`ours ${setting}`, project, own, { [key]: value })
    }),
    ...variants,
    ...peers(programs, own),
  ]
  const all = [undefined, ...options.ratios].flatMap((ratio) =>
    makes.flatMap((make) => make(ratio) ?? []),
  )
  return all.filter((server) => isChosen(server, options))
}

function isChosen({ name, ratio }: Server, { servers }: Options): boolean {
  if (ratio !== undefined && name === controlName) return false
  return servers?.includes(name) ?? name !== 'kratos-plain'
}

/** Starts and stops each server in turns, alone; what it takes at rest. */
async function measureRest(
  servers: readonly Server[],
  { starts }: Options,
  core: number | undefined,
  logs: string,
): Promise<Map<string, Rest>> {
  const rest = new Map<string, Rest>()
  for (let round = 0; round < starts; round += 1)
    for (const server of servers) {
      await using running = await start(server, core, logs)
      await sleep(1000)
      const of = rest.get(idOf(server)) ?? { readyMs: [], rssMb: [] }
      of.readyMs.push(running.readyMs)
      of.rssMb.push(rssMb(running.pid))
      rest.set(idOf(server), of)
    }
  return rest
}

/**
 * After 8 s without calls, which the turns of others take, the V8 of a Node peer gives memory back and throws
 * compiled code away, and the next calls pay for that.
 */
const leadSeconds = 2

/** One kind of call: every server is warmed up, and then they take turns. */
async function measureCase(
  bench: Bench,
  of: Case,
  running: readonly Running[],
  options: Options,
): Promise<Row[]> {
  const { rounds, seconds } = options
  const rows: (Row & { running: Running })[] = []
  for (const each of running) {
    const next = () => slice(bench, of, each, { seconds: options.warmUp.seconds })
    const warm = await warmUp(next, options.warmUp)
    rows.push({ of, server: each.server, warmUps: [warm], full: [], half: [], running: each })
  }
  for (let round = 0; round < rounds; round += 1) {
    const first = round % rows.length
    // Each comes first in its turn, so that none always follows the same one.
    for (const row of [...rows.slice(first), ...rows.slice(0, first)]) {
      const full = await slice(bench, of, row.running, { seconds, lead: leadSeconds })
      row.full.push(full)
      if (row.server.ratio !== undefined) continue
      row.half.push(await slice(bench, of, row.running, { seconds, rate: full.perSecond / 2 }))
    }
  }
  return rows
}

async function measureLoad(
  bench: Bench,
  servers: readonly Server[],
  options: Options,
  start: (server: Server) => Promise<Running>,
): Promise<Pick<Results, 'rows' | 'loadedMb'>> {
  const running: Running[] = []
  for (let process = 0; process < options.processes; process += 1)
    for (const server of servers) running.push(await start(server))
  const rows: Row[] = []
  for (const of of options.cases) {
    const able = running.filter(
      ({ server }) =>
        server.serves.includes(of.protocol) &&
        (server.ratio === undefined || options.traced.includes(of)),
    )
    rows.push(...merged(await measureCase(bench, of, able, options)))
    console.log(`measured: ${nameOf(of)}`)
  }
  const byServer = Map.groupBy(running, ({ server }) => idOf(server))
  const loadedMb = new Map([...byServer].map(([id, of]) => [id, of.map(({ pid }) => rssMb(pid))]))
  return { rows, loadedMb }
}

/** What the figures depend on. */
function printMachine({ processes, rounds, seconds, users }: Options, { service }: Cores): void {
  const cores = `${cpus().length} × ${cpus()[0]?.model}`
  const load = loadavg().map((average) => average.toFixed(1))
  console.log(
    `Node ${process.version}, ${cores}, ${service === undefined ? 'nothing' : 'servers'} pinned, ` +
      `load ${load.join(' ')}; ${processes} of each, ${rounds} rounds of ${seconds} s, ${users} users`,
  )
}

async function main(stack: AsyncDisposableStack): Promise<void> {
  const options = readOptions()
  const programs = buildPrograms()
  const cores = divideCores()
  const dir = mkdtempSync(join(tmpdir(), 'bench-peers-'))
  stack.defer(() => rmSync(dir, { recursive: true, force: true }))
  const database = stack.use(await durableDatabase())
  const { load } = programs
  const collector = load === undefined ? '' : await startCollector(load, stack)
  const servers = await chosenServers(options, programs, { dsn: database.dsn, collector })
  printMachine(options, cores)
  const plain = servers.filter(({ name, ratio }) => ratio === undefined && name !== controlName)
  const rest = await measureRest(plain, options, cores.service, dir)
  const bench = { databasePid: database.pid, users: options.users }
  const startOne = async (server: Server) => stack.use(await start(server, cores.service, dir))
  const loaded =
    load === undefined
      ? { rows: [], loadedMb: new Map<string, number[]>() }
      : await measureLoad({ ...bench, load }, servers, options, startOne)
  printMachine(options, cores)
  console.log(report({ rest, ...loaded }))
  if (collector !== '') console.log(`\nThe collector got ${await seenBy(collector)}.`)
  const failed = failures(loaded.rows)
  if (failed.length === 0) return
  console.error(`\n${failed.join('\n')}`)
  process.exitCode = 1
}

await using stack = new AsyncDisposableStack()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stack.disposeAsync().finally(() => process.exit(1)))
try {
  await main(stack)
} catch (err) {
  console.error('bench:', err)
  process.exitCode = 1
}
