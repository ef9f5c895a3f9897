// As many calls as a service can serve, and twice of them, with and without shedding. Time is what the
// service computes, and what is compared was measured in turns: the machine may do other things, too.
import { median } from '../../bench/measure/statistics.ts'
import { type Sample, sum } from '../../test/help/exposition.ts'
import { type Load, loadedService, operation } from './overload.ts'

type Service = Awaited<ReturnType<typeof loadedService>>

interface Round {
  once: Load
  twice: Load
}

const [rounds, maxRounds] = [3, 8]
/** With less of a core the service waits for one for longer than its limits of milliseconds. */
const leastCpu = 0.2
/** How many times the p99 of critical calls may be longer at twice the capacity. */
const maxTimes = 5
/** How many times it must be longer without shedding. */
const minTimesWithout = 3
/** The part of critical calls that may be refused. */
const maxRefused = 0.01

const added = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0)

async function measured(service: Service, wanted: number): Promise<Round[]> {
  const found: Round[] = []
  for (let each = 0; each < maxRounds && found.length < wanted; each += 1) {
    const round = { once: await service.once(), twice: await service.twice() }
    const cpu = Math.min(round.once.others.serverCpu, round.twice.others.serverCpu)
    const counts = cpu >= leastCpu
    console.log(`${counts ? 'round' : `passed over, ${cpu.toFixed(2)} of a core`}: ${told(round)}`)
    if (counts) found.push(round)
  }
  if (found.length < wanted)
    throw new Error(`the service never had ${leastCpu} of a core: the machine does too much else`)
  return found
}

function told({ once, twice }: Round): string {
  const of = ({ counts: { ok, refused, failed }, gaveUp, p99Ms }: Load['others']) =>
    `${ok} served, ${refused} refused, ${failed + gaveUp} failed, p99 ${Math.round(p99Ms)} ms`
  return `critical ${of(twice.critical)} (at capacity ${of(once.critical)}); others ${of(twice.others)}`
}

/** What the service has counted, beside what the generators have sent. */
function sums(samples: readonly Sample[], sent: ReturnType<Service['sent']>) {
  const of = (name: string, labels: Record<string, string> = {}) =>
    sum(samples.filter((each) => each.name === name && has(each, labels)))
  const all = added(sent.flatMap((counts) => Object.values(counts)))
  const refused = added(sent.map((counts) => counts.refused))
  return [
    ['calls that have ended', of('server_requests_code_total', { operation }), all - refused],
    ['refusals by status', of('server_requests_code_total', { code: '429' }), refused],
    ['refusals by limit', of('server_requests_refused_total', { limit: 'shed' }), refused],
    ['calls that were judged', of('shed_calls_total'), all],
    ['refusals of them', of('shed_calls_total', { result: 'refused' }), refused],
  ] as const
}

function has({ labels }: Sample, wanted: Record<string, string>): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value)
}

/** Fails where critical calls are refused or slow at twice the capacity, or are not counted as sent. */
export async function shedding(): Promise<string> {
  await using shed = await loadedService({ SHED_ENABLED: 'true' })
  const withIt = await measured(shed, rounds)
  for (const [name, counted, sent] of sums(await shed.samples(), shed.sent()))
    if (counted !== sent) throw new Error(`${name}: the service counts ${counted} of ${sent}`)
  await shed[Symbol.asyncDispose]()
  await using unshed = await loadedService({})
  const [without] = await measured(unshed, 1)

  const p99 = (loads: Load[]) => median(loads.map(({ critical }) => critical.p99Ms))
  const twice = withIt.map((round) => round.twice)
  const times = p99(twice) / p99(withIt.map(({ once }) => once))
  const timesWithout = p99(without ? [without.twice] : []) / p99(twice)
  const counts = twice.map(({ critical }) => critical.counts)
  const refused =
    added(counts.map((each) => each.refused + each.failed)) /
    added(counts.flatMap((each) => Object.values(each)))
  const othersRefused = Math.min(...twice.map(({ others }) => others.counts.refused))
  const summary =
    `critical calls take ${times.toFixed(1)} times as long at twice the capacity, and ` +
    `${timesWithout.toFixed(1)} times that without shedding; ` +
    `${(refused * 100).toFixed(1)} % of them are refused, and ${othersRefused} others or more`
  const good = times <= maxTimes && timesWithout >= minTimesWithout && refused <= maxRefused
  if (!good || othersRefused === 0) throw new Error(summary)
  return summary
}
