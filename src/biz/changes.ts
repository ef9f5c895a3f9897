/** What has happened to a record. */
export type ChangeKind = 'created' | 'updated' | 'deleted'

/** A place in the history of changes. `at` is the time of the change there, in ms of the epoch. */
export interface Position {
  seq: bigint
  at: number
}

/** One change of a record. */
export interface Change extends Position {
  kind: ChangeKind
  /** The record's id. */
  id: bigint
}

/** The history of the records of one kind, of which the latest part is kept. */
export interface ChangeFeed {
  /**
   * Begins to watch, after a position or from now on. Undefined if changes after the position are not
   * kept, or it is of another database. Fails with DATABASE_UNAVAILABLE and with the signal's reason.
   */
  open(from: Position | undefined, signal: AbortSignal): Promise<Watch | undefined>
}

/** One reader of a history. It must be closed. */
export interface Watch {
  /** Every change that has no place up to here is still to come. */
  readonly start: Position
  /**
   * Waits for the changes after a position: some of them in their order, at least one. Readers that
   * keep up get the same array. Undefined if they are not kept. Fails with the signal's reason.
   */
  after(position: Position): Promise<readonly Change[] | undefined>
  close(): void
}
