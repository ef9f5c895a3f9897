import { createConnection, type RowDataPacket } from 'mysql2/promise'
import type { Test } from 'tap'
import { privateMysqlServer } from '../help/db.ts'

/** Global variables by name, with values as SQL writes them. */
export type Globals = Record<string, string | number>

// No more than the service needs: of users who may administrate, servers run no init_connect.
const rights = 'SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX'

/** A server of the test's own, whose global variables a test sets and whose sessions begin with them. */
export async function settableServer(t: Test, args: readonly string[] = []) {
  const server = await privateMysqlServer(t, args)
  await server.execute('CREATE USER app')
  await server.execute(`GRANT ${rights} ON *.* TO app`)
  let databases = 0

  async function read(sql: string): Promise<RowDataPacket[]> {
    const connection = await createConnection(server.dsn)
    try {
      await connection.query('SET NAMES utf8mb4, sql_select_limit = 18446744073709551615')
      const [rows] = await connection.query<RowDataPacket[]>(sql)
      return rows
    } finally {
      await connection.end()
    }
  }

  async function set(globals: Globals): Promise<void> {
    const values = Object.entries(globals).map(([name, value]) => `GLOBAL ${name} = ${value}`)
    if (values.length > 0) await server.execute(`SET ${values.join(', ')}`)
  }

  return {
    execute: server.execute,
    /** The rows as they are stored and committed, read by an administrator in UTF-8. */
    read,
    /** Sets variables until the test ends. Gives the DSN of an empty database for an ordinary user. */
    async database(test: Test, globals: Globals = {}): Promise<string> {
      databases += 1
      const name = `settable_${databases}`
      await server.execute(`CREATE DATABASE ${name}`)
      const before: Globals = {}
      for (const variable of Object.keys(globals)) {
        const [row] = await read(
          `SELECT QUOTE(@@GLOBAL.${variable}) AS value, @@GLOBAL.${variable} AS raw`,
        )
        before[variable] = typeof row?.raw === 'number' ? row.raw : String(row?.value)
      }
      test.teardown(() => set(before))
      await set(globals)
      const dsn = new URL(server.dsn)
      return Object.assign(dsn, { username: 'app', pathname: `/${name}` }).href
    },
  }
}
