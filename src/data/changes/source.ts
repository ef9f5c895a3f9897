import type { Change, ChangeKind, Position } from '../../biz/changes.ts'

/** A change to record. The database gives its place and its time. */
export type NewChange = Pick<Change, 'id' | 'kind'>

/** A row of a history; `kind` is undefined for the first one of all, which is no change. */
export interface ChangeRow extends Position {
  id: bigint
  kind: ChangeKind | undefined
}

/** A row's place, and how old it is by the clock of the database, in ms. */
export interface AgedRow extends Position {
  ageMs: number
}

/** The statements of one history on one connection. */
export interface ChangeQueries {
  /** Records changes in their order; the last statement of their transaction, so that gaps are short. */
  insert(changes: readonly NewChange[]): Promise<void>
  /** The rows from one place to another, both included, by ascending place. */
  between(first: bigint, last: bigint, limit: number): Promise<ChangeRow[]>
  /** The rows before a place, the newest first. */
  newest(before: bigint, limit: number): Promise<AgedRow[]>
  /** The first rows by ascending place. */
  oldest(limit: number): Promise<AgedRow[]>
  /** Deletes the rows before a place. */
  removeBefore(seq: bigint): Promise<void>
}

/** Greater than every place. */
export const afterAll = 2n ** 63n - 1n

/**
 * Runs work with the statements of one history on a connection, as Database.use. Of the primary: a
 * replica may lag behind what a reader has seen.
 */
export type UseChanges = <T>(
  signal: AbortSignal,
  work: (changes: ChangeQueries) => Promise<T>,
) => Promise<T>

const kinds = [undefined, 'created', 'updated', 'deleted'] as const

/** The number that stands for a kind in a table. */
export function kindNumber(kind: ChangeKind): number {
  return kinds.indexOf(kind)
}

/** The kind of a number in a table; undefined for a row that is no change. */
export function kindOf(number: number): ChangeKind | undefined {
  return kinds[number]
}
