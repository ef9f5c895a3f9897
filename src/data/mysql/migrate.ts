import type { Connection } from 'mysql2'
import { type Migration, MigrationError } from '../migration.ts'
import { databaseUnavailable } from '../error.ts'
import { unobserved } from '../statement-observer.ts'
import { isDone, isMissingTable, isRejected } from './error.ts'
import { query, runner } from './execute.ts'
import { lockWaits, retried } from './transaction.ts'

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
  connection: Connection,
  migrations: Migration[],
): Promise<string[]> {
  const [lock] = await query(connection, `SELECT GET_LOCK(${lockName}, ${lockSeconds}) AS taken`)
  if (Number(lock?.taken) !== 1)
    throw databaseUnavailable(new Error(`another process has been migrating for ${lockSeconds} s`))
  try {
    return await applyMissing(connection, migrations)
  } finally {
    // A connection that is gone has given up its lock.
    await query(connection, `SELECT RELEASE_LOCK(${lockName})`).catch(() => connection.destroy())
  }
}

async function applyMissing(connection: Connection, migrations: Migration[]): Promise<string[]> {
  const done = await alreadyApplied(connection)
  const missing = migrations.filter(({ name }) => !done.has(name))
  for (const migration of missing) await apply(connection, migration, done.has(begun(migration)))
  return missing.map(({ name }) => name)
}

/** The row of a migration of which some statements may have run. */
const begun = ({ name }: Migration) => `${name} (begun)`

const forgetBegun = "DELETE FROM schema_migrations WHERE name LIKE '% (begun)'"

/**
 * The row is there from before the first statement, because DDL cannot be taken back with it: what a
 * process that ended in the middle has made is then known to be its own.
 */
async function apply(connection: Connection, migration: Migration, again: boolean): Promise<void> {
  const statements = runner(connection, unobserved)
  const record = (name: string) =>
    statements.change('INSERT INTO schema_migrations VALUES (?, UTC_TIMESTAMP(3))', [name])
  if (!again) await record(begun(migration))
  try {
    await run(connection, migration, again)
  } catch (err) {
    // Its statements are undone by hand, and then the next try starts from nothing.
    if (err instanceof MigrationError) await query(connection, forgetBegun)
    throw err
  }
  await record(migration.name)
  await query(connection, forgetBegun)
}

/** Creates nothing that is there: a user who may not create tables can start once all is applied. */
async function alreadyApplied(connection: Connection): Promise<Set<string>> {
  try {
    const rows = await query(connection, 'SELECT name FROM schema_migrations')
    return new Set(rows.map((row) => String(row.name)))
  } catch (err) {
    if (!isMissingTable(err)) throw err
    await run(connection, bookkeeping, false)
    return new Set()
  }
}

/** Runs the statements. With `again` those that have run before are passed over. */
async function run(
  connection: Connection,
  { name, statements }: Migration,
  again: boolean,
): Promise<void> {
  for (const statement of statements)
    try {
      await retried(() => query(connection, statement), lockWaits)
    } catch (err) {
      if (again && isDone(err)) continue
      throw isRejected(err) ? new MigrationError(name, err) : err
    }
}
