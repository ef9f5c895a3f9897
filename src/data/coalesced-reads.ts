import { gathering } from './gathering.ts'
import type { Recorder, Shared } from './statement-observer.ts'

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
  { recorded }: Recorder,
  { one, many, keyOf }: Reads<Key, Row>,
) {
  return gathering<Key, Row | undefined>({
    fit: (waiting) => Math.min(waiting, maxKeys),
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
export function together<T>({ recorded }: Recorder, read: (signal: AbortSignal) => Promise<T>) {
  const ask = gathering<undefined, T>({
    fit: (waiting) => waiting,
    recorded,
    alone: (_item, signal) => read(signal),
    async together(calls, signal) {
      const value = await read(signal)
      for (const { resolve } of calls) resolve(value)
    },
  })
  return (signal: AbortSignal) => ask(undefined, signal)
}
