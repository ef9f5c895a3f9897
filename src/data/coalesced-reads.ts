import { gathering } from './gathering.ts'
import type { Shared, StatementObserver } from './statement-observer.ts'

const maxKeys = 64

interface Reads<Key, Row> {
  one: (key: Key, signal: AbortSignal) => Promise<Row | undefined>
  /** Gives the rows that there are, in any order. */
  many: (keys: Key[], signal: AbortSignal, shared: Shared) => Promise<Row[]>
  keyOf: (row: Row) => Key
}

/**
 * Reads rows by key, as `one` does, where those that come while others are read share a statement.
 * Callers of one key get the same row.
 */
export function coalescedReads<Key, Row>(
  { one, many, keyOf }: Reads<Key, Row>,
  { recorded }: Pick<StatementObserver, 'recorded'>,
) {
  return gathering<Key, Row | undefined>({
    max: maxKeys,
    recorded,
    alone: one,
    async together(calls, signal, shared) {
      const keys = calls.map(({ item }) => item)
      const rows = await many(keys, signal, shared)
      const byKey = new Map(rows.map((row) => [keyOf(row), row]))
      for (const { item, resolve } of calls) resolve(byKey.get(item))
    },
  })
}
