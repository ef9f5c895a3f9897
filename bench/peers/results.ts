import { type Case, nameOf, type Slice } from './slice.ts'
import { idOf, type Server } from './servers.ts'
import type { WarmUp } from './warm-up.ts'

/** All slices of one kind of call on one server: those of its first process by the round, then the next's. */
export interface Row {
  of: Case
  server: Server
  /** Of each process. */
  warmUps: WarmUp[]
  /** As many calls as it serves, and half as many by the clock. */
  full: Slice[]
  half: Slice[]
}

/** A server at rest. */
export interface Rest {
  readyMs: number[]
  rssMb: number[]
}

export interface Results {
  rows: Row[]
  rest: Map<string, Rest>
  /** Megabytes of each process after all load, by the server. */
  loadedMb: Map<string, number[]>
}

/** The first of the project's own services: what variants and the control are compared with. */
export const oursName = 'ours'
/** The same once more: how far two of the same differ. */
export const controlName = 'ours again'

/** One row for all processes of a server, from a row for each. */
export function merged(rows: readonly Row[]): Row[] {
  const byServer = Map.groupBy(rows, ({ server }) => idOf(server))
  return [...byServer.values()].flatMap((processes) => {
    const [first] = processes
    if (first === undefined) return []
    const all = <T>(part: (row: Row) => T[]) => processes.flatMap(part)
    const warmUps = all((row) => row.warmUps)
    return { ...first, warmUps, full: all((row) => row.full), half: all((row) => row.half) }
  })
}

/** The row of another server for the same calls, without tracing. */
export function untraced(rows: readonly Row[], { of }: Row, name: string): Row | undefined {
  return rows.find(
    ({ of: other, server }) =>
      nameOf(other) === nameOf(of) && server.name === name && server.ratio === undefined,
  )
}

/** One line for each server and kind of call of which calls have failed. */
export function failures(rows: readonly Row[]): string[] {
  return rows.flatMap(({ of, server, warmUps, full, half }) => {
    const failed = [...warmUps.flatMap((warmUp) => warmUp.failed), ...full, ...half].filter(
      (slice) => slice.failed > 0,
    )
    if (failed.length === 0) return []
    const count = failed.reduce((sum, slice) => sum + slice.failed, 0)
    return `${nameOf(of)} of ${idOf(server)}: ${count} calls failed: ${failed.at(-1)?.error}`
  })
}
