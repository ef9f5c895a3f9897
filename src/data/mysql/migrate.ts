import type { RowDataPacket } from 'mysql2'
import type { PoolConnection } from 'mysql2/promise'
import { type Migration, MigrationError } from '../migration.ts'
import { databaseUnavailable } from '../error.ts'
import { isMissingTable, isRejected } from './error.ts'

const lockSeconds = 60
// At most 64 characters, whatever the database is called. MySQL 9.6 has no MD5 any more.
const lockName = "CONCAT('user-service.migrate.', LEFT(SHA2(DATABASE(), 256), 32))"
const bookkeeping = {
  name: 'schema_migrations',
  statements: [
    'CREATE TABLE IF NOT EXISTS schema_migrations (name varchar(255) character set ascii PRIMARY KEY, applied_at datetime(3) NOT NULL)',
  ],
}

/**
 * Applies what is missing, under a lock of this database's own: of two replicas that start at once,
 * one migrates and the other waits and finds it done. MySQL commits each DDL statement by itself.
 * Fails with MigrationError where the server rejects a statement.
 */
export async function migrateMysql(
  connection: PoolConnection,
  migrations: Migration[],
): Promise<string[]> {
  const [[lock]] = await connection.query<RowDataPacket[]>(
    `SELECT GET_LOCK(${lockName}, ${lockSeconds}) AS taken`,
  )
  if (Number(lock?.taken) !== 1)
    throw databaseUnavailable(new Error(`another process has been migrating for ${lockSeconds} s`))
  try {
    return await applyMissing(connection, migrations)
  } finally {
    // A connection that is gone has given up its lock.
    await connection.query(`SELECT RELEASE_LOCK(${lockName})`).catch(() => connection.destroy())
  }
}

async function applyMissing(
  connection: PoolConnection,
  migrations: Migration[],
): Promise<string[]> {
  const done = await alreadyApplied(connection)
  const missing = migrations.filter(({ name }) => !done.has(name))
  for (const migration of missing) {
    await run(connection, migration)
    await connection.execute('INSERT INTO schema_migrations VALUES (?, UTC_TIMESTAMP(3))', [
      migration.name,
    ])
  }
  return missing.map(({ name }) => name)
}

/** Creates nothing that is there: a user who may not create tables can start once all is applied. */
async function alreadyApplied(connection: PoolConnection): Promise<Set<string>> {
  try {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT name FROM schema_migrations')
    return new Set(rows.map((row) => String(row.name)))
  } catch (err) {
    if (!isMissingTable(err)) throw err
    await run(connection, bookkeeping)
    return new Set()
  }
}

async function run(connection: PoolConnection, { name, statements }: Migration): Promise<void> {
  try {
    for (const statement of statements) await connection.query(statement)
  } catch (err) {
    throw isRejected(err) ? new MigrationError(name, err) : err
  }
}
