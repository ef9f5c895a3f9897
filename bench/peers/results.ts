import { type Case, nameOf, type Slice } from './slice.ts'
import { idOf, type Server } from './servers.ts'
import type { WarmUp } from './warm-up.ts'

/** All slices of one kind of call on one server, by the round. */
export interface Row {
  of: Case
  server: Server
  warmUp: WarmUp
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
  /** Megabytes after all load, by the server. */
  loadedMb: Map<string, number>
}

/** The first of the project's own services: what variants and the control are compared with. */
export const oursName = 'ours'
/** The same once more: how far two of the same differ. */
export const controlName = 'ours again'

/** The row of another server for the same calls, without tracing. */
export function untraced(rows: readonly Row[], { of }: Row, name: string): Row | undefined {
  return rows.find(
    ({ of: other, server }) =>
      nameOf(other) === nameOf(of) && server.name === name && server.ratio === undefined,
  )
}

/** One line for each server and kind of call of which calls have failed. */
export function failures(rows: readonly Row[]): string[] {
  return rows.flatMap(({ of, server, warmUp, full, half }) => {
    const failed = [...warmUp.failed, ...full, ...half].filter((slice) => slice.failed > 0)
    if (failed.length === 0) return []
    const count = failed.reduce((sum, slice) => sum + slice.failed, 0)
    return `${nameOf(of)} of ${idOf(server)}: ${count} calls failed: ${failed.at(-1)?.error}`
  })
}
