import type { RowDataPacket } from 'mysql2'
import type { PoolConnection } from 'mysql2/promise'
import { type Migration, MigrationError } from '../migration.ts'

const lockSeconds = 60

/**
 * Applies what is missing, under a lock of this database's own: of two replicas that start at once,
 * one migrates and the other waits and finds it done. MySQL commits each DDL statement by itself.
 */
export async function migrateMysql(
  connection: PoolConnection,
  migrations: Migration[],
): Promise<string[]> {
  const [[lock]] = await connection.query<RowDataPacket[]>(
    "SELECT GET_LOCK(CONCAT('user-service.migrate.', MD5(DATABASE())), ?) AS taken",
    [lockSeconds],
  )
  if (Number(lock?.taken) !== 1)
    throw new Error(`another process has been migrating for ${lockSeconds} s`)
  try {
    return await applyMissing(connection, migrations)
  } finally {
    await connection.query("SELECT RELEASE_LOCK(CONCAT('user-service.migrate.', MD5(DATABASE())))")
  }
}

async function applyMissing(
  connection: PoolConnection,
  migrations: Migration[],
): Promise<string[]> {
  await connection.query(
    'CREATE TABLE IF NOT EXISTS schema_migrations (name varchar(255) character set ascii PRIMARY KEY, applied_at datetime(3) NOT NULL)',
  )
  const [rows] = await connection.query<RowDataPacket[]>('SELECT name FROM schema_migrations')
  const done = new Set(rows.map((row) => String(row.name)))
  const missing = migrations.filter(({ name }) => !done.has(name))
  for (const migration of missing) await apply(connection, migration)
  return missing.map(({ name }) => name)
}

async function apply(connection: PoolConnection, { name, statements }: Migration): Promise<void> {
  try {
    for (const statement of statements) await connection.query(statement)
  } catch (err) {
    throw new MigrationError(name, err)
  }
  await connection.query('INSERT INTO schema_migrations VALUES (?, UTC_TIMESTAMP(3))', [name])
}
