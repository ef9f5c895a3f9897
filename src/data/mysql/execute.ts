import mysql, { type Connection, type QueryOptions, type QueryResult } from 'mysql2'
import { isLostStatement } from './error.ts'

/**
 * Runs a statement that the server keeps prepared for this connection. Values travel apart from the
 * text, so no character set and no `sql_mode` can make text of them. Numbers are integers.
 */
export async function execute<T extends QueryResult>(
  connection: Connection,
  options: QueryOptions,
  values: unknown[],
): Promise<T> {
  const run = () => executeOnce<T>(connection, options, values.map(parameter))
  try {
    return await run()
  } catch (err) {
    if (!isLostStatement(err)) throw err
    // Nothing has run. mysql2's types leave out that options are taken, of which its key is made.
    connection.unprepare(options as QueryOptions & string)
    return run()
  }
}

function executeOnce<T extends QueryResult>(
  connection: Connection,
  options: QueryOptions,
  values: Parameter[],
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  connection.execute<T>(options, values, (err, result) => (err ? reject(err) : resolve(result)))
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
