/** Which storage statements go to, in the words of OpenTelemetry's conventions for databases. */
export interface Storage {
  /** `mysql`, `mariadb` or `sqlite`; what a MySQL server calls itself is known once it has answered. */
  system: string
  namespace: string
  /** Undefined for a file. */
  address?: string
  port?: number
}

/** Watches what one storage does for its calls, for traces and metrics. */
export interface StatementObserver {
  /** Calls `run`, which sends this text to the storage, and gives what it gives. */
  statement<T>(sql: string, run: () => Promise<T>): Promise<T>
  /**
   * A call has waited for a connection since then (`performance.now()`) and has it now, or has failed
   * to get one.
   */
  waited(since: number, err?: unknown): void
}

export type ObserveStatements = (storage: Storage) => StatementObserver

/** Where nobody watches. */
export const unobserved: StatementObserver = {
  statement: (_sql, run) => run(),
  waited: () => undefined,
}
