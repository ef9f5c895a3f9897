import mysql, {
  type Connection,
  type PrepareStatementInfo,
  type QueryOptions,
  type ResultSetHeader,
  type RowDataPacket,
} from 'mysql2'
import { drizzleOrm } from '../drizzle.ts'
import type { Shared, StatementObserver } from '../statement-observer.ts'
import { isLostStatement, isWithoutRoom } from './error.ts'

/** The service has about 20; servers count those of all connections (max_prepared_stmt_count). */
const maxPrepared = 32

/** What a statement gives: an array for each row, or how many rows it has changed. */
type Result = RowDataPacket[] | ResultSetHeader

/** Runs statements on one connection. Values are strings, integers and null. */
export interface Runner {
  /** Whether the server takes INSERT … RETURNING. */
  readonly isMariaDb: () => boolean
  rows(sql: string, values: unknown[], shared?: Shared): Promise<unknown[][]>
  change(sql: string, values: unknown[], shared?: Shared): Promise<ResultSetHeader>
}

/**
 * Runs statements that the server keeps prepared for this connection. Values travel apart from the
 * text, so no character set and no `sql_mode` can make text of them. Each is told to `observer`. What
 * fails names its statement, and no value.
 */
export function runner(connection: Connection, observer: StatementObserver): Runner {
  const prepared = preparedStatements(connection)

  async function execute<T extends Result>(
    sql: string,
    values: unknown[],
    shared?: Shared,
  ): Promise<T> {
    const parameters = values.map(parameter)
    try {
      return await observer.statement(sql, () => prepared.execute<T>(sql, parameters), shared)
    } catch (err) {
      throw err instanceof Error ? new drizzleOrm.DrizzleQueryError(sql, [], err) : err
    }
  }

  return {
    isMariaDb: () => isMariaDb(connection),
    rows: (sql, values, shared) =>
      execute<RowDataPacket[]>(sql, values, shared) as unknown as Promise<unknown[][]>,
    change: (sql, values, shared) => execute<ResultSetHeader>(sql, values, shared),
  }
}

/** What mysql2 has read of the greeting, not in its types; without it MariaDB is called MySQL. */
export function isMariaDb(connection: Connection): boolean {
  return '_isMariaDB' in connection && connection._isMariaDB === true
}

/** Keeps up to `maxPrepared` statements of one connection. */
function preparedStatements(connection: Connection) {
  // The oldest first. mysql2's own cache costs a key and a command for each use.
  const kept = new Map<string, PrepareStatementInfo>()

  function close(sql: string): void {
    kept.delete(sql)
    connection.unprepare(sql)
  }

  function closeOldest(): void {
    const [oldest] = kept.keys()
    if (oldest !== undefined) close(oldest)
  }

  async function prepare(sql: string): Promise<PrepareStatementInfo> {
    if (kept.size === maxPrepared) closeOldest()
    for (;;) {
      try {
        const statement = await prepareOnce(connection, sql)
        kept.set(sql, statement)
        return statement
      } catch (err) {
        // The server reads what is closed here before it prepares the next.
        if (!isWithoutRoom(err) || kept.size === 0) throw err
        closeOldest()
      }
    }
  }

  return {
    async execute<T extends Result>(sql: string, values: Parameter[]): Promise<T> {
      const known = kept.get(sql)
      if (known === undefined) return run<T>(await prepare(sql), values)
      try {
        return await run<T>(known, values)
      } catch (err) {
        if (!isLostStatement(err)) throw err
        // Nothing has run.
        close(sql)
        return run<T>(await prepare(sql), values)
      }
    },
  }
}

function prepareOnce(connection: Connection, sql: string): Promise<PrepareStatementInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<PrepareStatementInfo>()
  connection.prepare(sql, (err, statement) => (err ? reject(err) : resolve(statement)))
  return promise
}

function run<T extends Result>(statement: PrepareStatementInfo, values: Parameter[]): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  statement.execute<T>(values, (err, result) => (err ? reject(err) : resolve(result)))
  return promise
}

/** Runs a statement without parameters and gives its rows, by name. */
export function query(connection: Connection, sql: string): Promise<RowDataPacket[]> {
  const { promise, resolve, reject } = Promise.withResolvers<RowDataPacket[]>()
  const options: QueryOptions = { sql, rowsAsArray: false }
  connection.query<RowDataPacket[]>(options, (err, rows) => (err ? reject(err) : resolve(rows)))
  return promise
}

type Parameter = string | null | ReturnType<typeof mysql.TypedParameter.LONGLONG>

/** As a DOUBLE, which mysql2 makes of a number, an integer is not exact, and MySQL takes it for no LIMIT. */
function parameter(value: unknown): Parameter {
  if (typeof value === 'bigint' || typeof value === 'number')
    return mysql.TypedParameter.LONGLONG(value)
  if (typeof value === 'string' || value === null) return value
  throw new TypeError(`no parameter can be made of a ${typeof value}`)
}
