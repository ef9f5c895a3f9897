import { DomainError } from '../biz/error.ts'
import { UniqueViolation } from './error.ts'
import { gathering, type Sharer } from './gathering.ts'
import type { Shared, StatementObserver } from './statement-observer.ts'

const maxRows = 64

interface Writes<Row, Result> {
  one: (row: Row, signal: AbortSignal) => Promise<Result>
  /** Stores all of them, or none. Gives the results in the order of the rows. */
  many: (rows: Row[], signal: AbortSignal, shared: Shared) => Promise<Result[]>
  /** Two rows of one key are never in one statement, since the second would fail the first. */
  keyOf: (row: Row) => string
}

/**
 * Writes rows, as `one` does, where those that come while others are written share a statement and its
 * commit. Where the database rejects that statement, each is written alone, so a row fails for itself.
 */
export function groupedWrites<Row, Result>(
  { one, many, keyOf }: Writes<Row, Result>,
  { recorded }: Pick<StatementObserver, 'recorded'>,
) {
  type Call = Sharer<Row, Result>

  async function each(calls: readonly Call[], signal: AbortSignal): Promise<void> {
    const wanted = calls.filter(({ isOver }) => !isOver())
    await Promise.all(wanted.map((call) => one(call.item, signal).then(call.resolve, call.reject)))
  }

  async function group(calls: readonly Call[], signal: AbortSignal, shared: Shared): Promise<void> {
    const rows = calls.map(({ item }) => item)
    const results = await many(rows, signal, shared)
    for (const [at, result] of results.entries()) calls[at]?.resolve(result)
  }

  return gathering<Row, Result>({
    max: maxRows,
    // One text for each power of two, so that few statements are prepared.
    fit: (calls) => 2 ** Math.floor(Math.log2(calls)),
    recorded,
    alone: one,
    async together(calls, signal, shared) {
      const keys = calls.map(({ item }) => keyOf(item))
      if (new Set(keys).size < keys.length) return each(calls, signal)
      try {
        await group(calls, signal, shared)
      } catch (err) {
        if (!storedNothing(err)) throw err
        await each(calls, signal)
      }
    },
  })
}

/** After any other failure, such as of the connection, the rows may be stored, and cannot be again. */
function storedNothing(err: unknown): boolean {
  return err instanceof UniqueViolation || (err instanceof DomainError && err.kind === 'internal')
}
