import type { AtOnce, Database } from '../database.ts'
import type { Queries } from '../queries.ts'

/**
 * Told which records a write has changed, before it is answered; `isOver` is false where it has failed,
 * and its commit may still come.
 */
export type Changed = (ids: readonly bigint[], isOver: boolean) => Promise<void>

/** Notes records that a transaction changes; best as its last step, since most that fail have then failed. */
export type Note = (ids: readonly bigint[]) => void

/** Runs transactions that tell `changed` what they have noted. */
export function notedWrites(db: Pick<Database, 'tx'>, changed?: Changed) {
  type Work<T> = (queries: Queries, note: Note) => Promise<T>

  async function told<T>(signal: AbortSignal, work: Work<T>, tell: Changed): Promise<T> {
    const changes: bigint[] = []
    try {
      const result = await db.tx(signal, (queries) =>
        work(queries, (ids) => void changes.push(...ids)),
      )
      if (changes.length > 0) await tell(changes, true)
      return result
    } catch (err) {
      // Nobody waits longer for a failure.
      if (changes.length > 0) void tell(changes, false)
      throw err
    }
  }

  return function tx<T>(signal: AbortSignal, work: Work<T>, atOnce?: AtOnce<T>): Promise<T> {
    if (changed) return told(signal, work, changed)
    // Not where somebody is told: a commit may still come that has failed, and its ids must be known.
    return db.tx(signal, (queries) => work(queries, () => undefined), atOnce)
  }
}
