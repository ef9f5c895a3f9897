/** Which storage statements go to, in the words of OpenTelemetry's conventions for databases. */
export interface Storage {
  /** `mysql`, `mariadb` or `sqlite`; what a MySQL server calls itself is known once it has answered. */
  system: string
  namespace: string
  /** Undefined for a file. */
  address?: string
  port?: number
}

/** A statement that several calls wait for. */
export interface Shared {
  /** How many. */
  readonly size: number
  /** Those that are recorded, as `recorded` has named them; the statement is a part of the first. */
  readonly calls: readonly object[]
}

/** Watches what one storage does for its calls, for traces and metrics. */
export interface StatementObserver {
  /** Calls `run`, which sends this text to the storage, and gives what it gives. */
  statement<T>(sql: string, run: () => Promise<T>, shared?: Shared): Promise<T>
  /** Names the call that runs now, if it is recorded; a statement that it shares is told so. */
  recorded?(): object | undefined
  /**
   * A call has waited for a connection since then (`performance.now()`) and has it now, or has failed
   * to get one.
   */
  waited(since: number, err?: unknown): void
  /** A call has had a connection since then and gives it back, or up, now. */
  used?(since: number): void
  /** A call has been sent away: it has waited for too long, or too many wait already. */
  refused?(limit: 'pool_wait' | 'pool_queue'): void
}

/** Names a storage and its connections: where it is, and which database. */
export function storageName({ address, port, namespace }: Omit<Storage, 'system'>): string {
  const place = [address, port].filter((part) => part !== undefined).join(':')
  return place === '' ? namespace : `${place}/${namespace}`
}

/** Names the call that is recorded. */
export type Recorder = Pick<StatementObserver, 'recorded'>

/** Makes the observer of one storage. */
export type ObserveStatements = (storage: Storage) => StatementObserver

/** An observer that does nothing. */
export const unobserved: StatementObserver = {
  statement: (_sql, run) => run(),
  waited: () => undefined,
}

/** Makes one observer of several; undefined if there is none. */
export function observedBy(
  ...watching: (ObserveStatements | undefined)[]
): ObserveStatements | undefined {
  return watching.reduce((one, other) => (one && other ? both(one, other) : (one ?? other)))
}

function both(one: ObserveStatements, other: ObserveStatements): ObserveStatements {
  return function observe(storage) {
    const outer = one(storage)
    const inner = other(storage)
    return {
      statement: (sql, run, shared) =>
        outer.statement(sql, () => inner.statement(sql, run, shared), shared),
      recorded: () => outer.recorded?.() ?? inner.recorded?.(),
      waited(since, err) {
        outer.waited(since, err)
        inner.waited(since, err)
      },
      used(since) {
        outer.used?.(since)
        inner.used?.(since)
      },
      refused(limit) {
        outer.refused?.(limit)
        inner.refused?.(limit)
      },
    }
  }
}
