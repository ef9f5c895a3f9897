import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import type { AsyncRemoteCallback } from 'drizzle-orm/sqlite-proxy'
import type { Database, StorageEvents, StorageProblems } from '../database.ts'
import { type Migration, MigrationError, readMigrations } from '../migration.ts'
import {
  type ObserveStatements,
  type StatementObserver,
  unobserved,
} from '../statement-observer.ts'
import { fileAvailability } from './availability.ts'
import { isBusy } from './error.ts'
import { sqliteQueries } from './queries.ts'

/** For how long another process on the file is waited for. */
const busyTimeoutMs = 1_000
const busyPauseMs = 5

/**
 * Opens the embedded database, a file that is made when it is missing. There is one connection, so
 * work runs one piece at a time: a transaction must not take in another request's statements.
 */
export function sqliteDatabase(path: string, observe?: ObserveStatements): Database {
  const connection = openConnection(path)
  const observer = observe?.({ system: 'sqlite', namespace: path }) ?? unobserved
  const queries = sqliteQueries(remoteCallback(connection, observer))
  const inTurn = queue()
  const migrate = () => inTurn(async () => applyAll(connection, await readMigrations('sqlite')))
  let problems: StorageProblems = { database: '', migrations: 'not run yet' }
  let tellChange: StorageEvents['changed'] | undefined
  let calls = 0
  const file = fileAvailability({
    path,
    probe: () => inTurn(() => rewrite(connection)),
    changed(database) {
      // SQLite waits on the one thread, so no call waits for a lock that is known to be held.
      if (connection.isOpen) setBusyTimeout(connection, database === '' ? busyTimeoutMs : 0)
      problems = { ...problems, database }
      tellChange?.(problems)
    },
  })

  /** Runs a call's piece of work when its turn comes, if it is still wanted then. */
  async function forCall<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const asked = performance.now()
    calls += 1
    try {
      return await inTurn(async () => {
        observer.waited(asked, signal.aborted ? signal.reason : undefined)
        signal.throwIfAborted()
        const since = performance.now()
        try {
          return await file.guard(work)
        } finally {
          observer.used?.(since)
        }
      })
    } finally {
      calls -= 1
    }
  }

  return {
    description: `SQLite ${path}`,
    problems: () => problems,
    pools() {
      const used = Math.min(calls, 1)
      return [{ name: path, open: Number(connection.isOpen), used, max: 1, waiting: calls - used }]
    },
    async start({ changed, migrated, rejected }) {
      tellChange = changed
      try {
        migrated(await migrate())
        problems = { database: '', migrations: '' }
      } catch (err) {
        problems = { database: '', migrations: String(err) }
        rejected(err instanceof Error ? err : new Error(String(err)))
      }
      changed(problems)
    },
    migrate,
    use: (signal, work) => forCall(signal, () => work(queries)),
    tx: (signal, work) =>
      forCall(signal, () => transaction(connection, () => work(queries), observer)),
    close: () =>
      inTurn(async () => {
        file.stop()
        if (connection.isOpen) connection.close()
      }),
  }
}

function openConnection(path: string): DatabaseSync {
  makeFolder(dirname(path))
  const connection = new DatabaseSync(path, {
    readBigInts: true,
    returnArrays: true,
    timeout: busyTimeoutMs,
  })
  useWal(connection)
  // An answered create survives a power cut.
  connection.exec('PRAGMA synchronous = FULL')
  return connection
}

function setBusyTimeout(connection: DatabaseSync, ms: number): void {
  connection.exec(`PRAGMA busy_timeout = ${ms}`)
}

/** Writes to the file without changing what is in it. */
function rewrite(connection: DatabaseSync): Promise<void> {
  return transaction(connection, async () =>
    connection.exec('UPDATE schema_migrations SET name = name'),
  )
}

/**
 * Makes a folder and those above it. Node's own `recursive` tries for ever where a file system says
 * ENOENT for a name in a folder that is there, as /proc does.
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder)
  } catch (err) {
    // Another process has just made it.
    if (!existsSync(folder)) throw err
  }
}

/**
 * Switches the file to WAL, which it then stays in. SQLite does not wait for another process here,
 * because it has a read lock already, with which two could wait for each other.
 */
function useWal(connection: DatabaseSync): void {
  const deadline = performance.now() + busyTimeoutMs
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    try {
      return connection.exec('PRAGMA journal_mode = WAL')
    } catch (err) {
      if (!isBusy(err) || performance.now() > deadline) throw err
      Atomics.wait(pause, 0, 0, busyPauseMs)
    }
  }
}

/** Runs the given pieces of work one after the other, each when those before it have ended. */
function queue() {
  let last: Promise<unknown> = Promise.resolve()
  return function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = last.then(work)
    last = result.catch(() => undefined)
    return result
  }
}

function remoteCallback(
  connection: DatabaseSync,
  observer: StatementObserver,
): AsyncRemoteCallback {
  const statements = new Map<string, StatementSync>()
  return function execute(sql, params: SQLInputValue[], method) {
    return observer.statement(sql, async () => {
      const statement = statements.get(sql) ?? connection.prepare(sql)
      statements.set(sql, statement)
      const rows = statement.all(...params)
      // Drizzle's `get` takes the row itself, and undefined for none.
      return { rows: method === 'get' ? (rows[0] as unknown as unknown[]) : rows }
    })
  }
}

async function transaction<T>(
  connection: DatabaseSync,
  work: () => Promise<T>,
  observer = unobserved,
): Promise<T> {
  const execute = (sql: string) => observer.statement(sql, async () => connection.exec(sql))
  await execute('BEGIN IMMEDIATE')
  try {
    const result = await work()
    await execute('COMMIT')
    return result
  } catch (err) {
    if (connection.isTransaction) await execute('ROLLBACK')
    throw err
  }
}

/**
 * Each migration is one transaction; a second process waits at BEGIN and then finds it applied. Where
 * nothing is missing none is begun, so that a start needs no lock that another program may hold.
 */
async function applyAll(connection: DatabaseSync, migrations: Migration[]): Promise<string[]> {
  connection.exec(
    'CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at text NOT NULL)',
  )
  const applied: string[] = []
  for (const migration of migrations) {
    if (isApplied(connection, migration)) continue
    if (await transaction(connection, async () => apply(connection, migration)))
      applied.push(migration.name)
  }
  return applied
}

function isApplied(connection: DatabaseSync, { name }: Migration): boolean {
  const row = connection.prepare('SELECT 1 FROM schema_migrations WHERE name = ?').get(name)
  return row !== undefined
}

function apply(connection: DatabaseSync, migration: Migration): boolean {
  if (isApplied(connection, migration)) return false
  const { name, statements } = migration
  try {
    for (const statement of statements) connection.exec(statement)
  } catch (err) {
    throw new MigrationError(name, err)
  }
  connection
    .prepare("INSERT INTO schema_migrations VALUES (?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))")
    .run(name)
  return true
}
