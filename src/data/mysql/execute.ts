import mysql, {
  type Connection,
  type PrepareStatementInfo,
  type ResultSetHeader,
  type RowDataPacket,
} from 'mysql2'
import { drizzleOrm } from '../drizzle.ts'
import type { Shared, StatementObserver } from '../statement-observer.ts'
import { isLostStatement, isWithoutRoom } from './error.ts'

/**
 * The service has about 20, and as many again by numbers of rows and keys; servers count those of all
 * connections (max_prepared_stmt_count).
 */
const maxPrepared = 48

/** The result of a statement: an array for each row, or the number of changed rows. */
type Result = RowDataPacket[] | ResultSetHeader

/** Runs statements on one connection. Values are strings, numbers, booleans and null. */
export interface Runner {
  /** Whether the server takes INSERT … RETURNING. */
  readonly isMariaDb: () => boolean
  rows(sql: string, values: unknown[], shared?: Shared): Promise<unknown[][]>
  change(sql: string, values: unknown[], shared?: Shared): Promise<ResultSetHeader>
}

/**
 * Runs statements that the server keeps prepared for this connection. Values travel apart from the
 * text, so no character set and no `sql_mode` can make text of them. Each is told to `observer`. An
 * error names its statement, and no value.
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

/** Whether the server has said that it is MariaDB. mysql2 reads it from the greeting, without a type. */
export function isMariaDb(connection: Connection): boolean {
  return '_isMariaDB' in connection && connection._isMariaDB === true
}

/**
 * Whether a connection was given up. mysql2 only ends its own side then, without a type that says so: what
 * the server answers later still comes.
 */
export function isGivenUp(connection: Connection): boolean {
  return '_closing' in connection && connection._closing === true
}

/** Keeps up to `maxPrepared` statements of one connection. */
function preparedStatements(connection: Connection) {
  // The oldest first. mysql2's own cache costs a key and a command for each use.
  const kept = new Map<string, PrepareStatementInfo>()

  function close(sql: string | undefined): void {
    if (sql === undefined) return
    kept.delete(sql)
    connection.unprepare(sql)
  }

  async function prepare(sql: string): Promise<PrepareStatementInfo> {
    if (kept.size === maxPrepared) close(kept.keys().next().value)
    for (;;) {
      try {
        const statement = await called<PrepareStatementInfo>((done) =>
          connection.prepare(sql, done),
        )
        kept.set(sql, statement)
        return statement
      } catch (err) {
        // The server reads what is closed here before it prepares the next.
        if (!isWithoutRoom(err) || kept.size === 0) throw err
        close(kept.keys().next().value)
      }
    }
  }

  return {
    async execute<T extends Result>(sql: string, values: Parameter[]): Promise<T> {
      const run = (statement: PrepareStatementInfo) =>
        called<T>((done) => statement.execute<T>(values, done))
      const known = kept.get(sql)
      if (known === undefined) return run(await prepare(sql))
      try {
        return await run(known)
      } catch (err) {
        if (!isLostStatement(err)) throw err
        // Nothing has run.
        close(sql)
        return run(await prepare(sql))
      }
    },
  }
}

/** Runs a statement without parameters and gives its rows, by name. */
export function query(connection: Connection, sql: string): Promise<RowDataPacket[]> {
  return called((done) => connection.query<RowDataPacket[]>({ sql, rowsAsArray: false }, done))
}

/** Gives what a function of the driver tells its callback. */
export function called<T>(
  call: (done: (err: Error | null, value: T) => void) => unknown,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  call((err, value) => (err ? reject(err) : resolve(value)))
  return promise
}

// mysql2 looks a module up at each read of TypedParameter.
const integer = mysql.TypedParameter.LONGLONG
type Parameter = string | number | null | ReturnType<typeof integer>

/** As a DOUBLE, which mysql2 makes of a number, an integer is not exact, and MySQL takes it for no LIMIT. */
function parameter(value: unknown): Parameter {
  if (typeof value === 'bigint' || Number.isSafeInteger(value))
    return integer(value as bigint | number)
  if (typeof value === 'boolean') return integer(Number(value))
  if (typeof value === 'string' || typeof value === 'number' || value === null) return value
  throw new TypeError(`no parameter can be made of a ${typeof value}`)
}
