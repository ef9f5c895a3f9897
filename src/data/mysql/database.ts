import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from 'mysql2'
import type { PoolConnection } from 'mysql2/promise'
import { DomainError } from '../../biz/error.ts'
import type { Database, StorageEvents, StorageProblems } from '../database.ts'
import { databaseUnavailable } from '../error.ts'
import { MigrationError, readMigrations } from '../migration.ts'
import type { Queries } from '../queries.ts'
import { connectionOptions } from './connection-options.ts'
import {
  type ObserveStatements,
  type StatementObserver,
  storageName,
  unobserved,
} from '../statement-observer.ts'
import { type MysqlAddress, parseMysqlDsn } from './dsn.ts'
import { isDeadlock } from './error.ts'
import { migrateMysql } from './migrate.ts'
import { monitor } from './monitor.ts'
import { connectionPool } from './pool.ts'
import { mysqlQueries } from './queries.ts'
import type { SlotLimits } from './semaphore.ts'

const deadlockAttempts = 5
const deadlockPauseMs = 20
const migrationRetryMs = 1_000

interface MysqlOptions {
  source: string
  pool: SlotLimits
  observe?: ObserveStatements | undefined
  /** A replica: its schema comes by replication. */
  readOnly?: boolean
}

/** Uses MySQL 8+ or MariaDB 10.11+ through a pool; throws DsnError. */
export function mysqlDatabase({
  source,
  pool: limits,
  observe,
  readOnly = false,
}: MysqlOptions): Database {
  const address = parseMysqlDsn(source)
  const options = connectionOptions(address)
  const storage = { system: 'mysql', namespace: address.database, ...placeOf(address) }
  const observer = observe?.(storage) ?? unobserved
  const pool = connectionPool(options, limits, {
    observer,
    greeted(system) {
      storage.system = system
    },
  })
  const queriesOn = queriesByConnection(observer)
  const closing = new AbortController()
  let problems: StorageProblems = {
    database: 'not connected yet',
    migrations: readOnly ? '' : 'not run yet',
  }
  let watching: ReturnType<typeof monitor> | undefined

  async function migrate(): Promise<string[]> {
    const migrations = await readMigrations('mysql')
    return pool.use(closing.signal, (connection) => migrateMysql(connection, migrations))
  }

  /** Tries until the migrations are done, the server is gone again, or it has rejected one. */
  async function migrateWhileUp(events: StorageEvents, set: (next: StorageProblems) => void) {
    while (problems.database === '' && problems.migrations !== '' && !closing.signal.aborted) {
      try {
        events.migrated(await migrate())
        return set({ ...problems, migrations: '' })
      } catch (err) {
        // A refusal around the migrations will not pass by waiting, either.
        const refused = err instanceof DomainError && err.kind === 'internal'
        if (err instanceof MigrationError || refused) return events.rejected(err)
        set({ ...problems, migrations: reasonOf(err) })
        await sleep(migrationRetryMs)
      }
    }
  }

  function start(events: StorageEvents): Promise<void> {
    const firstTry = Promise.withResolvers<void>()
    function set(next: StorageProblems): void {
      problems = next
      events.changed(next)
      if (next.database !== '' || next.migrations !== 'running') firstTry.resolve()
    }
    watching = monitor(options, {
      lastAnswerAt: pool.lastAnswerAt,
      up() {
        set({ database: '', migrations: problems.migrations === '' ? '' : 'running' })
        if (problems.migrations !== '') void migrateWhileUp(events, set)
      },
      down(reason) {
        set({ ...problems, database: reason })
        pool.giveUp(databaseUnavailable(new Error(reason)))
      },
    })
    return firstTry.promise
  }

  function checked(): void {
    const problem =
      problems.database || (problems.migrations && `migrations: ${problems.migrations}`)
    if (problem !== '') throw databaseUnavailable(new Error(problem))
  }

  return {
    description: `MySQL ${address.socketPath ?? `${address.host}:${address.port}`}/${address.database}`,
    problems: () => problems,
    pools: () => [{ name: storageName(storage), ...pool.state() }],
    start,
    migrate,
    async use(signal, work) {
      checked()
      return pool.use(signal, (connection) => retried(() => work(queriesOn(connection))))
    },
    async tx(signal, work) {
      checked()
      return pool.use(signal, (connection) =>
        retried(() => transaction(connection, observer, () => work(queriesOn(connection)))),
      )
    },
    async close() {
      problems = { ...problems, database: 'closed' }
      closing.abort(databaseUnavailable(new Error('the service is closing')))
      await watching?.close()
      await pool.close()
    },
  }
}

function queriesByConnection(observer: StatementObserver): (connection: PoolConnection) => Queries {
  const built = new WeakMap<Connection, Queries>()
  return function queriesOn({ connection }) {
    // PoolConnection is a promise wrapper that is new each time; what it wraps lives on.
    const key = connection as unknown as Connection
    const queries = built.get(key) ?? mysqlQueries(key, observer)
    built.set(key, queries)
    return queries
  }
}

/** Why migrations could not run; the cause of a refusal says more than its message for callers. */
function reasonOf(err: unknown): string {
  const told = err instanceof DomainError ? err.cause : err
  return told instanceof Error ? told.message : String(told)
}

function placeOf({ host, port, socketPath }: MysqlAddress) {
  return socketPath === undefined ? { address: host, port } : { address: socketPath }
}

/** A statement or transaction that InnoDB broke off to end a deadlock has left nothing behind. */
async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (err) {
      if (!isDeadlock(err) || attempt === deadlockAttempts) throw err
      // Those that deadlocked together would do so again if they all came back at once.
      await sleep(Math.random() * deadlockPauseMs * attempt)
    }
  }
}

async function transaction<T>(
  connection: PoolConnection,
  observer: StatementObserver,
  work: () => Promise<T>,
): Promise<T> {
  await observer.statement('BEGIN', () => connection.beginTransaction())
  try {
    const result = await work()
    await observer.statement('COMMIT', () => connection.commit())
    return result
  } catch (err) {
    // A connection that cannot roll back may still hold locks: it must not go back to the pool.
    await observer
      .statement('ROLLBACK', () => connection.rollback())
      .catch(() => connection.destroy())
    throw err
  }
}
