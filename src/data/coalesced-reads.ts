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

/** Reads as `read` does, where calls that come while others read share what one read gives. */
export function together<T>(
  read: (signal: AbortSignal) => Promise<T>,
  { recorded }: Pick<StatementObserver, 'recorded'>,
) {
  const ask = gathering<undefined, T>({
    max: Number.POSITIVE_INFINITY,
    recorded,
    alone: (_item, signal) => read(signal),
    async together(calls, signal) {
      const value = await read(signal)
      for (const { resolve } of calls) resolve(value)
    },
  })
  return (signal: AbortSignal) => ask(undefined, signal)
}
