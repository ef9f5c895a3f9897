import { readFileSync } from 'node:fs'
import mysql, { type Connection, type PoolOptions } from 'mysql2'
import type { PoolConnection } from 'mysql2/promise'
import type { Database, UserQueries } from '../database.ts'
import { readMigrations } from '../migration.ts'
import { type MysqlAddress, parseMysqlDsn } from './dsn.ts'
import { isDeadlock, mysqlError } from './error.ts'
import { migrateMysql } from './migrate.ts'
import { mysqlUserQueries } from './user-queries.ts'

const deadlockAttempts = 5

/** Opens a pool on MySQL 8+ or MariaDB 10.11+; connections are made when they are first needed. */
export function mysqlDatabase({
  source,
  poolSize,
}: {
  source: string
  poolSize: number
}): Database {
  const address = parseMysqlDsn(source)
  const pool = mysql.createPool({ ...poolOptions(address), connectionLimit: poolSize }).promise()
  const built = new WeakMap<Connection, UserQueries>()

  function queriesOn({ connection }: PoolConnection): UserQueries {
    // PoolConnection is a promise wrapper that is new each time; what it wraps lives on.
    const key: Connection = connection as unknown as Connection
    const queries = built.get(key) ?? mysqlUserQueries(key)
    built.set(key, queries)
    return queries
  }

  async function withConnection<T>(work: (connection: PoolConnection) => Promise<T>): Promise<T> {
    try {
      const connection = await pool.getConnection()
      try {
        return await work(connection)
      } finally {
        connection.release()
      }
    } catch (err) {
      throw mysqlError(err)
    }
  }

  return {
    description: `MySQL ${address.socketPath ?? `${address.host}:${address.port}`}/${address.database}`,
    use: (work) => withConnection((connection) => work(queriesOn(connection))),
    tx: (work) =>
      withConnection((connection) => retried(connection, () => work(queriesOn(connection)))),
    migrate: async () => {
      const migrations = await readMigrations('mysql')
      return withConnection((connection) => migrateMysql(connection, migrations))
    },
    close: () => pool.end(),
  }
}

function poolOptions({
  host,
  port,
  socketPath,
  user,
  password,
  database,
  tls,
}: MysqlAddress): PoolOptions {
  return {
    ...(socketPath === undefined ? { host, port } : { socketPath }),
    user,
    password,
    database,
    charset: 'utf8mb4',
    timezone: 'Z',
    // 64-bit integers come as text: as numbers they would be rounded.
    supportBigNumbers: true,
    bigNumberStrings: true,
    connectTimeout: 5_000,
    ...(tls && {
      ssl: {
        rejectUnauthorized: tls.rejectUnauthorized,
        ...(tls.caFile !== undefined && { ca: readFileSync(tls.caFile, 'utf8') }),
      },
    }),
  }
}

async function retried<T>(connection: PoolConnection, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction(connection, work)
    } catch (err) {
      if (!isDeadlock(err) || attempt === deadlockAttempts) throw err
    }
  }
}

async function transaction<T>(connection: PoolConnection, work: () => Promise<T>): Promise<T> {
  await connection.beginTransaction()
  try {
    const result = await work()
    await connection.commit()
    return result
  } catch (err) {
    // A connection that cannot roll back may still hold locks: it must not go back to the pool.
    await connection.rollback().catch(() => connection.destroy())
    throw err
  }
}
