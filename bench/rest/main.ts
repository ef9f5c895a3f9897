// Prints what the plugin costs: against a hand-written route, and with 1,000 templates against 10.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { drive } from './load.ts'
import { templateAt } from './sides.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '21' },
    requests: { type: 'string', default: '4000' },
  },
})
const rounds = Number(values.rounds)
const requests = Number(values.requests)

const server = fork(new URL('server.ts', import.meta.url), { execArgv: ['--expose-gc'] })
const [ports] = (await once(server, 'message')) as [Record<string, number>]

/** Milliseconds of processor time that the server has used, after a collection. */
async function cpuMs(): Promise<number> {
  server.send('cpu')
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
  const before = await cpuMs()
  const begin = performance.now()
  await drive(ports[side] ?? 0, paths, requests)
  const seconds = (performance.now() - begin) / 1000
  return { cpu: ((await cpuMs()) - before) / (requests / 1000), rate: requests / seconds }
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

// The same ten shapes of paths on both sides; on the second, spread over all templates.
const pathsOf = (numbers: number[]) => numbers.map((at) => templateAt(at).path)
const few = pathsOf(Array.from({ length: 10 }, (_, at) => at))
const many = pathsOf(Array.from({ length: 1000 }, (_, at) => (at * 7) % 1000))
const byCount = await compare(['few', few], ['many', many])
report('registered templates', ['10', '1,000'], byCount)
const more = spread(
  byCount.map(({ a, b }) => (b.cpu / a.cpu - 1) * 100),
  1,
)
console.log(`  1,000 cost ${more} % more CPU a request than 10, wanted below 5 %`)
server.disconnect()
