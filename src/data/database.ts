import type { Queries } from './queries.ts'
import type { Recorder } from './statement-observer.ts'

/** The state of the connections of one storage. */
export interface PoolState {
  name: string
  open: number
  /** Of those: how many a call has. */
  used: number
  max: number
  /** Calls that wait for one. */
  waiting: number
}

/** Why the storage cannot be used; an empty text where nothing is wrong. */
export interface StorageProblems {
  database: string
  migrations: string
}

/** Events of a storage while it runs. */
export interface StorageEvents {
  /** The problems have changed; `cause` has the driver's words for the log, where there are any. */
  changed: (problems: StorageProblems, cause?: string) => void
  /** These migrations have been applied. */
  migrated: (names: string[]) => void
  /** The server has rejected a migration: this process can never serve. */
  rejected: (err: Error) => void
}

/**
 * Does what a transaction is for by one statement that begins and commits it; undefined where the
 * database has none.
 */
export type AtOnce<T> = (queries: Queries) => Promise<T> | undefined

/** One storage adapter. Errors of its driver leave it as UniqueViolation or DomainError. */
export interface Database {
  /** Names the storage for the start line, without credentials. */
  readonly description: string
  /** Given where reads by key are to share statements. */
  readonly coalesced?: Recorder | undefined
  /** Given where creates are to share statements and commits. */
  readonly grouped?: Recorder | undefined
  problems(): StorageProblems
  pools(): readonly PoolState[]
  /**
   * Connects and migrates, and goes on trying until that is done. Resolves when the first try has
   * ended, either way.
   */
  start(events: StorageEvents): Promise<void>
  /** Brings the schema up to date at once, or fails. Gives the names of what it applied. */
  migrate(): Promise<string[]>
  /**
   * Runs `work` on one connection. Fails with the signal's reason when it aborts first, and with
   * DATABASE_UNAVAILABLE while the storage cannot be used.
   */
  use<T>(signal: AbortSignal, work: (queries: Queries) => Promise<T>): Promise<T>
  /** As `use`, in one transaction, begun anew when the database ends a deadlock or a wait with it. */
  tx<T>(signal: AbortSignal, work: (queries: Queries) => Promise<T>, atOnce?: AtOnce<T>): Promise<T>
  close(): Promise<void>
}
