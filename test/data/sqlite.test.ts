import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, renameSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { type Test, test } from 'tap'
import { readMigrations } from '../../src/data/migration.ts'
import { sqliteDatabase } from '../../src/data/sqlite/database.ts'
import { freshSqlitePath, migrationNames } from '../help/db.ts'
import { started } from '../help/started.ts'
import { openRepo, repoContract } from './contract.ts'

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

const moduleUrl = new URL('../../src/data/sqlite/database.ts', import.meta.url).href
const signal = new AbortController().signal
const newUser = { name: 'Ada', email: 'ada@example.org', phone: '', createdAt: new Date() }

/** Runs code with the given data in a thread of its own, as another process on the file would. */
function inThread(t: Test, code: string, data: object): Worker {
  const worker = new Worker(code, { eval: true, workerData: data, execArgv: [] })
  t.teardown(() => worker.terminate())
  return worker
}

/** Opens and migrates each file whose path it is sent, and sends what it has applied. */
const openerCode = `
  import { createInterface } from 'node:readline'
  const { sqliteDatabase } = await import(process.argv[1])
  console.log('ready')
  for await (const path of createInterface({ input: process.stdin })) {
    try {
      const db = sqliteDatabase(path)
      const applied = await db.migrate()
      await db.close()
      console.log(JSON.stringify(applied))
    } catch (err) {
      console.log(JSON.stringify(String(err)))
    }
  }`

function startOpener(t: Test) {
  const args = ['--input-type=module', '--eval', openerCode, moduleUrl]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    send: (path: string) => child.stdin.write(`${path}\n`),
    async next(): Promise<string> {
      const line = await lines.next()
      return line.done ? '"it has ended"' : line.value
    },
  }
}

test('eight processes that open one new file at once make and migrate it once', async (t) => {
  const migrations = await readMigrations('sqlite')
  const openers = Array.from({ length: 8 }, () => startOpener(t))
  for (const opener of openers) t.equal(await opener.next(), 'ready')
  // One file alone would not show every order.
  for (let round = 0; round < 5; round += 1) {
    const path = freshSqlitePath(t)
    for (const opener of openers) opener.send(path)
    const answers = await Promise.all(openers.map((opener) => opener.next()))
    const applied = answers.flatMap((answer) => JSON.parse(answer) as string | string[])
    t.strictSame(
      applied.toSorted((a, b) => a.localeCompare(b)),
      migrations.map(({ name }) => name),
    )
  }
})

// IMMEDIATE lets others read: SQLite then does not wait by itself, as it holds a read lock already.
for (const lock of ['EXCLUSIVE', 'IMMEDIATE'])
  test(`opening a file waits for the process that holds it by BEGIN ${lock}`, async (t) => {
    const path = freshSqlitePath(t)
    const gate = new Int32Array(new SharedArrayBuffer(4))
    const code = `
    const { parentPort, workerData: { path, gate } } = require('node:worker_threads')
    const connection = new (require('node:sqlite').DatabaseSync)(path)
    connection.exec('BEGIN ${lock}')
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
    t.strictSame(await db.migrate(), await migrationNames('sqlite'))
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

test('a start with nothing to migrate does not wait for the process that writes the file', async (t) => {
  const path = freshSqlitePath(t)
  await (await started(sqliteDatabase(path))).close()
  using other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  const db = sqliteDatabase(path)
  t.teardown(() => db.close())
  t.strictSame(await db.migrate(), [])
  await started(db)
  t.equal(await openRepo(db).count(signal), 0)
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

/** The storage, started, and the problems of its file, each when it is told. */
async function toldProblems(t: Test, path: string) {
  const db = sqliteDatabase(path)
  t.teardown(() => db.close())
  // The timer of the probe does not keep a process from ending.
  const alive = setInterval(() => undefined, 60_000)
  t.teardown(() => clearInterval(alive))
  const told: string[] = []
  const waiting: { text: string; resolve: () => void }[] = []
  await db.start({
    changed({ database }) {
      told.push(database)
      for (const { text, resolve } of waiting) if (text === database) resolve()
    },
    migrated: () => undefined,
    rejected: (err) => t.fail(String(err)),
  })
  told.length = 0
  return {
    db,
    repo: openRepo(db),
    told,
    next: (text: string) => new Promise<void>((resolve) => waiting.push({ text, resolve })),
  }
}

test('a lock of another process is told once, and so is its end', async (t) => {
  const path = freshSqlitePath(t)
  const { db, repo, told, next } = await toldProblems(t, path)
  using other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  for (let call = 0; call < 2; call += 1) await t.rejects(repo.insert(newUser, signal))
  t.equal(await repo.count(signal), 0, 'which a read does not end')
  t.equal(db.problems().database, 'database is locked')
  const usable = next('')
  other.exec('ROLLBACK')
  await usable
  t.same(told, ['database is locked', ''])
  t.equal(await repo.insert(newUser, signal), 1n)
})

test('nothing is written to a file that was deleted or replaced, until it is back', async (t) => {
  const path = freshSqlitePath(t)
  const { repo, told, next } = await toldProblems(t, path)
  renameSync(path, `${path}.old`)
  for (const replaced of [false, true]) {
    if (replaced) copyFileSync(`${path}.old`, path)
    const err = await t.rejects(repo.insert(newUser, signal))
    t.match(err, { kind: 'unavailable', cause: /deleted or replaced/ })
  }
  const usable = next('')
  renameSync(`${path}.old`, path)
  await usable
  t.match(told, [/^the file is deleted or replaced/, ''])
  t.equal(await repo.insert(newUser, signal), 1n)
})

test('a folder that cannot be made ends the start, and is not tried for ever', async (t) => {
  t.throws(() => sqliteDatabase('/proc/none/users.db'), /mkdir/)
})
