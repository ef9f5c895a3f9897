// Prints what the plugin costs: against a hand-written route, and with 1,000 templates against 10.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { type Client, client } from './load.ts'
import { templateAt } from './sides.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    requests: { type: 'string', default: '8000' },
  },
})
const rounds = Number(values.rounds)
const requests = Number(values.requests)

const server = fork(new URL('server.ts', import.meta.url), { execArgv: ['--expose-gc'] })
const [ports] = (await once(server, 'message')) as [Record<string, number>]

const clients: Record<string, Client> = {}
for (const [side, port] of Object.entries(ports)) clients[side] = await client(port)

/** Milliseconds of processor time that the server has used. */
async function cpuMs(about: 'begin' | 'end'): Promise<number> {
  server.send(about)
  const [{ user, system }] = (await once(server, 'message')) as [NodeJS.CpuUsage]
  return (user + system) / 1000
}

interface Slice {
  /** Processor time of the server for one request, in microseconds. */
  cpu: number
  /** Requests in a second of wall-clock time. */
  rate: number
}

async function slice(side: string, paths: readonly string[]): Promise<Slice> {
  const before = await cpuMs('begin')
  const begin = performance.now()
  await clients[side]?.drive(paths, requests)
  const seconds = (performance.now() - begin) / 1000
  const used = (await cpuMs('end')) - before
  return { cpu: used / (requests / 1000), rate: requests / seconds }
}

type Side = [name: string, paths: readonly string[]]

/** Runs two sides in turn, who is first in turn too; the first round is for warming up. */
async function compare(a: Side, b: Side): Promise<{ a: Slice; b: Slice }[]> {
  const pairs: { a: Slice; b: Slice }[] = []
  for (let round = 0; round <= rounds; round += 1) {
    const first = round % 2 === 0 ? a : b
    const one = await slice(...first)
    const other = await slice(...(first === a ? b : a))
    if (round > 0) pairs.push(first === a ? { a: one, b: other } : { a: other, b: one })
  }
  return pairs
}

/** Median, with the quartiles as its spread. */
function spread(numbers: number[], digits: number): string {
  const sorted = numbers.toSorted((one, other) => one - other)
  const at = (share: number) =>
    (sorted[Math.round(share * (sorted.length - 1))] ?? 0).toFixed(digits)
  return `${at(0.5)} [${at(0.25)} to ${at(0.75)}]`
}

function report(title: string, names: [string, string], pairs: { a: Slice; b: Slice }[]): void {
  console.log(`\n${title}`)
  for (const [name, side] of [
    [names[0], 'a'],
    [names[1], 'b'],
  ] as const) {
    const cpu = spread(
      pairs.map((pair) => pair[side].cpu),
      1,
    )
    const rate = spread(
      pairs.map((pair) => pair[side].rate),
      0,
    )
    console.log(`  ${name.padEnd(28)} ${cpu} us of server CPU a request, ${rate} requests/s`)
  }
}

const ids = Array.from({ length: 100 }, (_, at) => `/v1/users/${at + 1}`)
const byHand = await compare(['hand', ids], ['plugin', ids])
report('GetUser, the same handler', ['hand-written Fastify route', 'through the plugin'], byHand)
const ratio = spread(
  byHand.map(({ a, b }) => a.cpu / b.cpu),
  2,
)
console.log(`  ratio hand-written / plugin, by CPU: ${ratio}, wanted at least 0.70`)
const rates = spread(
  byHand.map(({ a, b }) => b.rate / a.rate),
  2,
)
console.log(`  ratio plugin / hand-written, by requests/s: ${rates}`)

// The same ten paths on both sides; then on the second spread over all, which the caches feel too.
const pathsOf = (numbers: number[]) => numbers.map((at) => templateAt(at).path)
const few = pathsOf(Array.from({ length: 10 }, (_, at) => at))
const all = pathsOf(Array.from({ length: 1000 }, (_, at) => (at * 7) % 1000))
for (const [paths, title] of [
  [few, 'registered templates, calls to the same ten'],
  [all, 'registered templates, calls to all of them'],
] as const) {
  const pairs = await compare(['few', few], ['many', paths])
  report(title, ['10', '1,000'], pairs)
  const more = spread(
    pairs.map(({ a, b }) => (b.cpu / a.cpu - 1) * 100),
    1,
  )
  console.log(`  1,000 cost ${more} % more CPU a request than 10, wanted below 5 %`)
}
for (const each of Object.values(clients)) each.close()
server.disconnect()
