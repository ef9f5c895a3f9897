import type { Connection, PoolConnection } from 'mysql2'
import type { Database } from '../database.ts'
import { databaseUnavailable } from '../error.ts'
import { readMigrations } from '../migration.ts'
import type { Queries } from '../queries.ts'
import {
  type ObserveStatements,
  type StatementObserver,
  storageName,
  unobserved,
} from '../statement-observer.ts'
import { availability } from './availability/availability.ts'
import { connectionOptions } from './connection-options.ts'
import { type MysqlAddress, parseMysqlDsn } from './dsn.ts'
import { migrateMysql } from './migrate.ts'
import { connectionPool } from './pool/pool.ts'
import { mysqlQueries } from './queries.ts'
import type { PoolLimits } from '../semaphore.ts'
import { attemptsOn, retried, transaction } from './transaction.ts'

interface MysqlOptions {
  source: string
  pool: PoolLimits
  observe?: ObserveStatements | undefined
  /** A replica: its schema comes by replication. */
  readOnly?: boolean
  /** Whether reads by key that come together share statements. */
  coalesceReads?: boolean
  /** Whether creates that come together share statements and commits. */
  groupWrites?: boolean
}

/** Uses MySQL 8+ or MariaDB 10.11+ through a pool; throws DsnError. */
export function mysqlDatabase(config: MysqlOptions): Database {
  const { source, pool: limits, observe, readOnly = false } = config
  const { coalesceReads = true, groupWrites = false } = config
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

  async function migrate(): Promise<string[]> {
    const migrations = await readMigrations('mysql')
    return pool.use(closing.signal, (connection) => migrateMysql(connection, migrations))
  }
  const available = availability({ options, pool, readOnly, migrate })

  function onConnection<T>(
    signal: AbortSignal,
    work: (connection: PoolConnection) => Promise<T>,
  ): Promise<T> {
    const problem = available.problem()
    return problem ? Promise.reject(problem) : pool.use(signal, work)
  }

  return {
    description: `MySQL ${address.socketPath ?? `${address.host}:${address.port}`}/${address.database}`,
    coalesced: coalesceReads ? observer : undefined,
    grouped: groupWrites ? observer : undefined,
    problems: available.problems,
    pools: () => [{ name: storageName(storage), ...pool.state() }],
    start: (events) => available.start(events),
    migrate,
    use: (signal, work) =>
      onConnection(signal, (connection) => retried(() => work(queriesOn(connection)))),
    tx: (signal, work, atOnce) =>
      onConnection(signal, (connection) => {
        const queries = queriesOn(connection)
        const steps = { work: () => work(queries), atOnce: () => atOnce?.(queries) }
        return retried(() => transaction(connection, observer, steps), attemptsOn(connection))
      }),
    async close() {
      const closed = available.close()
      closing.abort(databaseUnavailable(new Error('the service is closing')))
      await closed
      await pool.close()
    },
  }
}

function queriesByConnection(observer: StatementObserver): (connection: Connection) => Queries {
  const built = new WeakMap<Connection, Queries>()
  return function queriesOn(connection) {
    const known = built.get(connection)
    if (known) return known
    const queries = mysqlQueries(connection, observer)
    built.set(connection, queries)
    return queries
  }
}

function placeOf({ host, port, socketPath }: MysqlAddress) {
  return socketPath === undefined ? { address: host, port } : { address: socketPath }
}
