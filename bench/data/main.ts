// What a call costs the service and the database, with one version or setting beside another: CPU time
// of both per call over REST on MariaDB, in slices that take turns. The service has core 0; the
// database and the generator have core 1. Needs Linux, taskset and what the tests need.
//   node bench/data/main.ts --variant before=../before --variant after=. --variant again=. \
//     [--cases get,list,create] [--rounds 9] [--calls 4000] [--warmup 20000] [--connections 64]
// A variant is a checkout with its node_modules, and settings: --variant off=.,DB_COALESCE_READS=false.
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { startService } from '../overload/service.ts'
import { cpuNs } from '../measure/process-cpu.ts'
import { quantile } from '../measure/statistics.ts'
import { load } from './caller.ts'
import { benchDatabase } from './database.ts'

const { values } = parseArgs({
  options: {
    variant: { type: 'string', multiple: true, default: ['this=.', 'again=.'] },
    cases: { type: 'string', default: 'get,list,create' },
    rounds: { type: 'string', default: '9' },
    calls: { type: 'string', default: '4000' },
    warmup: { type: 'string', default: '20000' },
    connections: { type: 'string', default: '64' },
  },
})
const rounds = Number(values.rounds)
const calls = Number(values.calls)
const warmup = Number(values.warmup)
// As bench/overload fills the database.
const users = 1000
const [serverCore, otherCore] = [0, 1]

let made = 0
const create = () => {
  const body = `{"name":"Ada Lovelace","email":"bench-${(made += 1)}@example.org","phone":"+44 20 7946"}`
  return `POST /v1/users HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}
const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: bench\r\n\r\n`
type RequestOf = (call: number) => string
const requests: Record<string, RequestOf> = {
  get: (call) => get(`/v1/users/${((call * 7919) % users) + 1}`),
  list: () => get('/v1/users?page=1&page_size=20'),
  create,
}

interface Variant {
  name: string
  pid: number
  /** Makes calls, and gives how many failed. */
  load: (calls: number, requestOf: RequestOf) => Promise<number>
  stop: () => Promise<void>
}

interface Cost {
  /** CPU time in µs a call. */
  service: number
  database: number
  failed: number
}

const database = await benchDatabase(otherCore)

async function opened(spec: string, at: number): Promise<Variant> {
  const [, name = '', rest = ''] = /^([^=]+)=(.*)$/.exec(spec) ?? []
  const [folder = '.', ...settings] = rest.split(',')
  const env = Object.fromEntries(settings.map((setting) => setting.split('=') as [string, string]))
  const dsn = await database.empty(`bench_${at}`)
  // A machine that does other work, too, must not make calls fail.
  const patient = { DB_DSN: dsn, DB_POOL_WAIT: '20s', TIMEOUT: '20s' }
  const service = await startService(folder, { ...patient, ...env }, serverCore)
  const [port, connections] = [service.ports.rest, Number(values.connections)]
  return {
    name,
    pid: service.pid,
    load: (calls, requestOf) => load({ port, connections, calls, requestOf }),
    stop: () => service.stop(),
  }
}

async function slice({ pid, load }: Variant, requestOf: RequestOf): Promise<Cost> {
  const [service, stored] = [cpuNs(pid), cpuNs(database.pid)]
  const failed = await load(calls, requestOf)
  const perCall = (ns: number) => ns / calls / 1000
  return {
    service: perCall(cpuNs(pid) - service),
    database: perCall(cpuNs(database.pid) - stored),
    failed,
  }
}

function spread(numbers: number[], digits = 0): string {
  const at = (part: number) => quantile(numbers, part).toFixed(digits)
  return `${at(0.5)} [${at(0.25)}..${at(0.75)}]`
}

function print(name: string, costs: Cost[], base: Cost[]): void {
  const ratios = (part: 'service' | 'database') =>
    spread(costs.map((cost, round) => (cost[part] / (base[round]?.[part] ?? Number.NaN) - 1) * 100))
  const column = (part: 'service' | 'database') => costs.map((cost) => cost[part])
  const failed = costs.reduce((sum, cost) => sum + cost.failed, 0)
  console.log(
    `| ${name} | ${spread(column('service'))} | ${ratios('service')} % | ${spread(column('database'))} | ${ratios('database')} % | ${failed} |`,
  )
}

async function compare(title: string, variants: Variant[]): Promise<void> {
  const requestOf = requests[title]
  if (requestOf === undefined) throw new Error(`no case ${title}: ${Object.keys(requests).join()}`)
  const costs = variants.map((): Cost[] => [])
  for (const { load } of variants) await load(warmup, requestOf)
  for (let round = 0; round < rounds; round += 1) {
    // Each goes first, last and between as often as the others, so that drift cancels out.
    const turn = variants.map((_, at) => (at + round) % variants.length)
    for (const at of round % 2 === 0 ? turn : turn.toReversed()) {
      const variant = variants[at]
      if (variant) costs[at]?.push(await slice(variant, requestOf))
    }
  }
  console.log(
    `\n| ${title} | service, µs a call | to the first | database, µs a call | to the first | failed |`,
  )
  console.log('| --- | --- | --- | --- | --- | --- |')
  for (const [at, { name }] of variants.entries()) print(name, costs[at] ?? [], costs[0] ?? [])
}

execFileSync('taskset', ['-a', '-c', '-p', `${otherCore}`, `${process.pid}`], { stdio: 'ignore' })
console.log(
  `Node ${process.version}, ${rounds} rounds, ${calls} calls a slice after ${warmup}, ${values.connections} connections; medians [quarters]`,
)
const variants: Variant[] = []
try {
  for (const [at, spec] of values.variant.entries()) variants.push(await opened(spec, at))
  for (const title of values.cases.split(',')) await compare(title, variants)
} finally {
  for (const { stop } of variants) await stop()
  await database.close()
}
process.exit(0)
