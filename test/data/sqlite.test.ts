import { DatabaseSync } from 'node:sqlite'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type Test, test } from 'tap'
import { readMigrations } from '../../src/data/migration.ts'
import { sqliteDatabase } from '../../src/data/sqlite/database.ts'
import { freshSqlitePath } from '../help/db.ts'
import { openRepo, repoContract, started } from './contract.ts'

repoContract((title, run) => {
  test(`${title} (SQLite)`, async (t) => {
    const path = freshSqlitePath(t)
    const open = () => sqliteDatabase(path)
    const db = await started(open())
    t.teardown(() => db.close())
    const execute = async (sql: string) => {
      using connection = new DatabaseSync(path)
      connection.exec(sql)
    }
    const nextId = (id: bigint) =>
      execute(
        `DELETE FROM sqlite_sequence; INSERT INTO sqlite_sequence VALUES ('users', ${id - 1n})`,
      )
    await run(t, { open, nextId, execute }, openRepo(db))
  })
})

const signal = new AbortController().signal
const newUser = { name: 'Ada', email: 'ada@example.org', phone: '', createdAt: new Date() }

/** Runs code with the given data in a thread of its own, as another process on the file would. */
function inThread(t: Test, code: string, data: object): Worker {
  const worker = new Worker(code, { eval: true, workerData: data, execArgv: [] })
  t.teardown(() => worker.terminate())
  return worker
}

test('four processes that migrate one file at once apply each migration once', async (t) => {
  const path = freshSqlitePath(t)
  await sqliteDatabase(path).close()
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const code = `
    const { parentPort, workerData: { module, path, gate } } = require('node:worker_threads')
    import(module).then(async ({ sqliteDatabase }) => {
      parentPort.postMessage('ready')
      Atomics.wait(gate, 0, 0)
      const db = sqliteDatabase(path)
      const applied = await db.migrate()
      await db.close()
      parentPort.postMessage(applied)
    })`
  const module = new URL('../../src/data/sqlite/database.ts', import.meta.url).href
  const workers = Array.from({ length: 4 }, () => inThread(t, code, { module, path, gate }))
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const applied = Promise.all(workers.map((worker) => once(worker, 'message')))
  Atomics.store(gate, 0, 1)
  Atomics.notify(gate, 0)
  t.strictSame((await applied).flat(2), ['0000_users'])
})

test('opening a file waits for the process that holds it', async (t) => {
  const path = freshSqlitePath(t)
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const code = `
    const { parentPort, workerData: { path, gate } } = require('node:worker_threads')
    const connection = new (require('node:sqlite').DatabaseSync)(path)
    connection.exec('BEGIN EXCLUSIVE')
    parentPort.postMessage('held')
    Atomics.wait(gate, 0, 0)
    // Opening blocks the other thread: nothing but time can tell that it has come to the lock.
    Atomics.wait(gate, 0, 1, 50)
    connection.exec('COMMIT')
    connection.close()`
  const [held] = await once(inThread(t, code, { path, gate }), 'message')
  t.equal(held, 'held')
  Atomics.store(gate, 0, 1)
  Atomics.notify(gate, 0)
  const db = sqliteDatabase(path)
  t.strictSame(await db.migrate(), ['0000_users'])
  await db.close()
})

test('a migration that another process is applying is waited for, and not applied again', async (t) => {
  const path = freshSqlitePath(t)
  const [first, ...others] = await readMigrations('sqlite')
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const code = `
    const { parentPort, workerData: { path, gate, name, sql } } = require('node:worker_threads')
    const connection = new (require('node:sqlite').DatabaseSync)(path)
    connection.exec('CREATE TABLE schema_migrations (name text PRIMARY KEY, applied_at text NOT NULL)')
    connection.exec('BEGIN IMMEDIATE')
    connection.exec(sql)
    connection.prepare("INSERT INTO schema_migrations VALUES (?, '')").run(name)
    parentPort.postMessage('begun')
    Atomics.wait(gate, 0, 0)
    // As above.
    Atomics.wait(gate, 0, 1, 50)
    connection.exec('COMMIT')
    connection.close()`
  const db = sqliteDatabase(path)
  t.teardown(() => db.close())
  const sql = first?.statements.join('')
  await once(inThread(t, code, { path, gate, name: first?.name, sql }), 'message')
  Atomics.store(gate, 0, 1)
  Atomics.notify(gate, 0)
  t.strictSame(
    await db.migrate(),
    others.map(({ name }) => name),
  )
})

test('a file that another process writes for too long is unavailable until it has done', async (t) => {
  const path = freshSqlitePath(t)
  const db = await started(sqliteDatabase(path))
  t.teardown(() => db.close())
  const repo = openRepo(db)
  using other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  const err = await t.rejects(repo.insert(newUser, signal))
  t.match(err, { kind: 'unavailable', reason: 'DATABASE_UNAVAILABLE' })
  t.equal(await repo.count(signal), 0, 'reading goes on')
  other.exec('ROLLBACK')
  t.equal(await repo.insert(newUser, signal), 1n)
})
