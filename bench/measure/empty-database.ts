import { createConnection } from 'mysql2/promise'

/** Makes a database on the server of `dsn`. Its own DSN. */
export async function emptyDatabase(dsn: string, name: string): Promise<string> {
  const connection = await createConnection(dsn)
  await connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`)
  await connection.end()
  return new URL(`/${name}`, dsn).href
}
