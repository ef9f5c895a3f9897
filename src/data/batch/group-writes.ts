import { DomainError } from '../../biz/error.ts'
import { UniqueViolation } from '../error.ts'
import { gathering } from './gathering.ts'
import type { Recorder, Shared } from '../statement-observer.ts'

const maxRows = 64

interface Writes<Row, Result, Stored> {
  one: (row: Row, signal: AbortSignal) => Promise<Result>
  /** Stores all of them, or none. */
  many: (rows: Row[], signal: AbortSignal, shared: Shared) => Promise<Stored[]>
  /** Two rows of one key are never in one statement, since the second would fail the first. */
  keyOf: (row: Row | Stored) => string
  resultOf: (stored: Stored) => Result
}

/**
 * Writes rows, as `one` does, where those that come while others are written share a statement and its
 * commit. Where the database rejects that statement, each is written alone, so a row fails for itself.
 */
export function groupedWrites<Row, Result, Stored>(
  { recorded }: Recorder,
  { one, many, keyOf, resultOf }: Writes<Row, Result, Stored>,
) {
  return gathering<Row, Result>({
    // One text for each power of two, so that few statements are prepared.
    fit: (waiting) => 2 ** Math.floor(Math.log2(Math.min(waiting, maxRows))),
    recorded,
    alone: one,
    async together(calls, signal, shared) {
      const waiting = new Map(calls.map((call) => [keyOf(call.item), call]))
      try {
        if (waiting.size < calls.length) throw new UniqueViolation()
        const rows = calls.map(({ item }) => item)
        for (const stored of await many(rows, signal, shared))
          waiting.get(keyOf(stored))?.resolve(resultOf(stored))
        // Such as a text that the database has stored in another form.
        if (calls.some(({ isOver }) => !isOver())) throw new Error('a row is not stored as it was')
      } catch (err) {
        if (!storedNothing(err)) throw err
        const wanted = calls.filter(({ isOver }) => !isOver())
        await Promise.all(
          wanted.map((call) => one(call.item, signal).then(call.resolve, call.reject)),
        )
      }
    },
  })
}

/** After any other failure, such as of the connection, the rows may be stored, and cannot be again. */
function storedNothing(err: unknown): boolean {
  return err instanceof UniqueViolation || (err instanceof DomainError && err.kind === 'internal')
}
