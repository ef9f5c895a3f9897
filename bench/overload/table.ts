import type { Order, Report } from './generator.ts'
import { median, quartiles } from '../measure/statistics.ts'

/** What one line of the tables is about. */
export interface Case {
  kind: Order['kind']
  storage: string
  variant: string
  load: string
}

interface Row extends Case {
  /** One a round. */
  reports: Report[]
}

/** Calls served per second. */
export const goodput = ({ counts, seconds }: Report) => counts.ok / seconds
/** Takes out what other programs take of the core: what the service makes of the time it got. */
const perCpu = (report: Report) => goodput(report) / report.serverCpu
/** Below this share of the core the service had too little to do for `perCpu` to say anything. */
const minServerCpu = 0.3
const percent = (share: number) => `${Math.round(share * 100)} %`

/** Collects the reports of all rounds and prints them as tables of Markdown. */
export function resultTable() {
  const rows = new Map<string, Row>()

  function note(of: Case, report: Report): void {
    const key = `${of.kind} ${of.storage} ${of.variant} ${of.load}`
    const row = rows.get(key) ?? { ...of, reports: [] }
    row.reports.push(report)
    rows.set(key, row)
  }

  /** The rows of one service, port and storage: their best of a round is the measure of the round. */
  function alike({ kind, storage, variant }: Row): Row[] {
    return [...rows.values()].filter(
      (row) => row.kind === kind && row.storage === storage && row.variant === variant,
    )
  }

  function shareOfBest(row: Row, figure: (report: Report) => number): number[] {
    return row.reports.map((report, index) => {
      const reports = alike(row).flatMap(({ reports }) => reports[index] ?? [])
      const busy = reports.filter(({ serverCpu }) => serverCpu > minServerCpu)
      return figure(report) / Math.max(...busy.map(figure))
    })
  }

  function line(row: Row): string {
    const { kind, storage, variant, load, reports } = row
    const of = (figure: (report: Report) => number) => median(reports.map(figure))
    const shares = shareOfBest(row, goodput)
    const spread = `${percent(Math.min(...shares))}–${percent(Math.max(...shares))}`
    const cells = [
      `${kind}, ${storage}, ${variant}`,
      load,
      of(goodput).toFixed(0),
      `${percent(median(shares))} (${spread})`,
      of(perCpu).toFixed(0),
      percent(median(shareOfBest(row, perCpu))),
      of(({ counts, seconds }) => counts.refused / seconds).toFixed(0),
      of(({ counts, gaveUp, seconds }) => (counts.failed + gaveUp) / seconds).toFixed(0),
      of(({ p50Ms }) => p50Ms).toFixed(1),
      of(({ p99Ms }) => p99Ms).toFixed(0),
      `${percent(of(({ serverCpu }) => serverCpu))}, ${percent(of(({ generatorCpu }) => generatorCpu))}`,
    ]
    return `| ${cells.join(' | ')} |`
  }

  function comparison(row: Row, first: string): string {
    const { kind, storage, variant, load, reports } = row
    const base = rows.get(`${kind} ${storage} ${first} ${load}`)?.reports ?? []
    const ratios = (figure: (report: Report) => number) =>
      quartiles(
        reports.flatMap((report, index) => {
          const other = base[index]
          return other ? figure(report) / figure(other) : []
        }),
        percent,
      )
    const cells = [
      `${kind}, ${storage}, ${variant}`,
      load,
      quartiles(reports.map(goodput), (rate) => rate.toFixed(0)),
      ratios(goodput),
      ratios(perCpu),
    ]
    return `| ${cells.join(' | ')} |`
  }

  return {
    note,
    /** All rows; with several variants a second table compares each with `variants[0]`, round by round. */
    print(variants: readonly string[]): string {
      const all = [...rows.values()]
      const first = variants[0] ?? ''
      const second =
        variants.length > 1
          ? [comparisonHead(first), ...all.map((row) => comparison(row, first))]
          : []
      return [head, ...all.map(line), ...second].join('\n')
    },
  }
}

const head = `
Medians of all rounds. "of best": as a share of the best of its round and variant (lowest to highest).

| port, storage, variant | load | 2xx/s | of best | 2xx per CPU-s | of best | refused/s | failed/s | p50 ms | p99 ms | CPU service, generator |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |`

const comparisonHead = (first: string) => `
Medians (quartiles). The ratios are to ${first} at the same load in the same round.

| port, storage, variant | load | 2xx/s | ratio | ratio of 2xx per CPU-s |
| --- | --- | --- | --- | --- |`
