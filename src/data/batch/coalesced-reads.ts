import { gathering } from './gathering.ts'
import type { Recorder, Shared } from '../statement-observer.ts'

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

type Read<T> = (signal: AbortSignal, shared?: Shared) => Promise<T>

/** Reads as `read` does, where calls that come while others read share what one read gives. */
export function together<T>({ recorded }: Recorder, read: Read<T>) {
  const ask = gathering<undefined, T>({
    fit: (waiting) => waiting,
    recorded,
    alone: (_item, signal) => read(signal),
    async together(calls, signal, shared) {
      const value = await read(signal, shared)
      for (const { resolve } of calls) resolve(value)
    },
  })
  return (signal: AbortSignal) => ask(undefined, signal)
}

/** As `together`, of calls that ask for the same by `nameOf`. */
export function togetherBy<Asked, T>(
  recorder: Recorder,
  nameOf: (asked: Asked) => string,
  read: (asked: Asked, ...args: Parameters<Read<T>>) => Promise<T>,
) {
  // A list of those that have callers: see inFlight for what a Map would do.
  const asking: { name: string; callers: number; ask: (signal: AbortSignal) => Promise<T> }[] = []

  function joined(asked: Asked) {
    const name = nameOf(asked)
    const known = asking.find((each) => each.name === name)
    if (known) return known
    const ask = together<T>(recorder, (signal, shared) => read(asked, signal, shared))
    const first = { name, callers: 0, ask }
    asking.push(first)
    return first
  }

  return async function askBy(asked: Asked, signal: AbortSignal): Promise<T> {
    const same = joined(asked)
    same.callers += 1
    try {
      return await same.ask(signal)
    } finally {
      same.callers -= 1
      if (same.callers === 0) asking.splice(asking.indexOf(same), 1)
    }
  }
}
