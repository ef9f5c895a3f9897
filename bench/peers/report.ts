// The tables of Markdown that a run prints.
import { median, quartiles } from '../measure/statistics.ts'
import { controlName, oursName, type Results, type Row, untraced } from './results.ts'
import { nameOf, type Slice } from './slice.ts'
import { idOf, type Protocol } from './servers.ts'

const kratos = 'kratos'
const nodePeer: Record<Protocol, string> = { rest: 'fastify', grpc: 'grpc-js' }

type Figure = (slice: Slice) => number
const serverUs: Figure = (slice) => slice.serverUs
const bothUs: Figure = (slice) => slice.serverUs + slice.databaseUs

function table(title: string, head: readonly string[], lines: readonly string[][]): string {
  if (lines.length === 0) return ''
  const rows = [head, head.map(() => '---'), ...lines]
  return [`\n${title}\n`, ...rows.map((cells) => `| ${cells.join(' | ')} |`)].join('\n')
}

const fixed = (digits: number) => (value: number) => value.toFixed(digits)
const medianOf = (slices: readonly Slice[], figure: Figure) => median(slices.map(figure))

/** The figures of two servers, compared round by round, since the machine changes, and process by process. */
function compared(
  row: Row,
  base: Row | undefined,
  compare: (own: Slice, other: Slice) => number,
): number[] {
  return row.full.flatMap((slice, round) => {
    const other = base?.full[round]
    return other === undefined ? [] : compare(slice, other)
  })
}

function ratio(rows: readonly Row[], row: Row, name: string, figure: Figure = serverUs): string {
  const base = untraced(rows, row, name)
  if (base === undefined || base === row) return ''
  const ratios = compared(row, base, (own, other) => figure(own) / figure(other))
  return quartiles(ratios, fixed(2))
}

function costLine(rows: readonly Row[], row: Row): string[] {
  const { of, server, full, half } = row
  return [
    nameOf(of),
    idOf(server),
    quartiles(full.map(serverUs), fixed(0)),
    ratio(rows, row, oursName),
    ratio(rows, row, kratos),
    ratio(rows, row, nodePeer[of.protocol]),
    quartiles(
      full.map((slice) => slice.databaseUs),
      fixed(0),
    ),
    ratio(rows, row, kratos, (slice) => slice.databaseUs),
    ratio(rows, row, kratos, bothUs),
    medianOf(full, (slice) => slice.perSecond).toFixed(0),
    medianOf(full, (slice) => slice.core).toFixed(2),
    medianOf(half, (slice) => slice.perSecond).toFixed(0),
    quartiles(
      half.map((slice) => slice.p50Ms),
      fixed(2),
    ),
    quartiles(
      half.map((slice) => slice.p99Ms),
      fixed(1),
    ),
  ]
}

const costHead = [
  'call',
  'server',
  'CPU µs',
  '÷ ours',
  '÷ Kratos',
  '÷ Node peer',
  'database µs',
  '÷ Kratos',
  'both ÷ Kratos',
  'calls/s',
  'of a core',
  'half: calls/s',
  'p50 ms',
  'p99 ms',
]

function tracingLine(rows: readonly Row[], row: Row): string[] {
  const { of, server, full } = row
  const off = untraced(rows, row, server.name)
  const added = compared(row, off, (own, other) => own.serverUs - other.serverUs)
  const share = compared(row, off, (own, other) => (own.serverUs / other.serverUs - 1) * 100)
  return [
    nameOf(of),
    server.name,
    server.ratio ?? '',
    quartiles(full.map(serverUs), fixed(0)),
    quartiles(added, fixed(0)),
    quartiles(share, fixed(0)),
  ]
}

const tracingHead = ['call', 'server', 'traced', 'CPU µs', 'added µs', 'added %']

function warmUpLines({ of, server, warmUps }: Row): string[][] {
  return warmUps.map(({ calls, firstUs, bestUs, settled }) => [
    nameOf(of),
    idOf(server),
    `${calls}`,
    firstUs.toFixed(0),
    bestUs.toFixed(0),
    settled ? 'yes' : 'no',
  ])
}

const warmUpHead = ['call', 'server', 'calls', 'CPU µs, first slice', 'best slice', 'settled']

function memoryLines({ rest, loadedMb }: Results): string[][] {
  const ids = new Set([...rest.keys(), ...loadedMb.keys()])
  return [...ids].map((id) => {
    const { readyMs = [], rssMb = [] } = rest.get(id) ?? {}
    const spread = (values: number[]) => (values.length > 0 ? quartiles(values, fixed(0)) : '')
    return [id, spread(readyMs), spread(rssMb), spread(loadedMb.get(id) ?? [])]
  })
}

const memoryHead = ['server', 'ready after ms', 'RSS MB at rest', 'RSS MB after all load']

/** All tables of a run; one without lines is left out. */
export function report(results: Results): string {
  const { rows } = results
  const isTraced = ({ server }: Row) => server.ratio !== undefined
  const off = rows.filter((row) => !isTraced(row))
  return [
    table(
      `A call without tracing. Medians (quartiles); ratios round by round. "${controlName}" is the control.`,
      costHead,
      off.map((row) => costLine(rows, row)),
    ),
    table(
      'What tracing adds to a call, against the same server without, round by round.',
      tracingHead,
      rows.filter(isTraced).map((row) => tracingLine(rows, row)),
    ),
    table('Start and memory.', memoryHead, memoryLines(results)),
    table('Warm-up.', warmUpHead, rows.flatMap(warmUpLines)),
  ].join('\n')
}
