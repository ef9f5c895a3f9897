import { createConnection as createCoreConnection } from 'mysql2'
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise'
import { test, type Test } from 'tap'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { migrateMysql } from '../../src/data/mysql/migrate.ts'
import { type StatementObserver, unobserved } from '../../src/data/statement-observer.ts'
import { privateMysqlServer } from '../help/db.ts'
import { started } from '../help/started.ts'
import { until } from '../help/until.ts'
import { openRepo } from './contract.ts'

const { signal } = new AbortController()
const newUser = (email: string) => ({ name: 'A', email, phone: '', createdAt: new Date() })

/** A storage with a user whose row another session holds, on a server that lets sessions wait long. */
async function withLockedUser(t: Test) {
  const { dsn } = await privateMysqlServer(t, ['--innodb-lock-wait-timeout=3600'])
  const sent: string[] = []
  const observer: StatementObserver = {
    ...unobserved,
    statement(sql, run) {
      sent.push(sql)
      return run()
    },
  }
  const pool = { size: 2, maxWaiting: 100, waitMs: 30_000 }
  const db = mysqlDatabase({ source: dsn, pool, observe: () => observer })
  t.teardown(() => db.close())
  await started(db)
  const repo = openRepo(db)
  const id = await repo.insert(newUser('locked@example.org'), signal)
  const holder = await createConnection(dsn)
  t.teardown(() => holder.end())
  await holder.query('BEGIN')
  await holder.query(`SELECT * FROM users WHERE id = ${id} FOR UPDATE`)
  return { dsn, db, repo, id, holder, sent }
}

async function sessions(holder: Connection, condition: string): Promise<unknown[]> {
  const [rows] = await holder.query<RowDataPacket[]>(
    `SELECT id FROM information_schema.processlist WHERE ${condition}`,
  )
  return rows.map(({ id }) => id)
}

test('calls that are given up leave no session on the server, though their row stays locked', async (t) => {
  const { repo, id, holder, sent } = await withLockedUser(t)
  const call = new AbortController()
  const calls = [1, 2].map(() => repo.update(id, { name: 'B' }, call.signal))
  const outcomes = Promise.allSettled(calls)
  let waiting: unknown[] = []
  await until('both to wait for the row', async () => {
    waiting = await sessions(holder, "info LIKE 'update %'")
    return waiting.length === 2
  })
  const reason = new Error('given up')
  call.abort(reason)
  t.match(await outcomes, [{ reason }, { reason }])
  const before = sent.length
  const theirs = `id IN (${waiting.join(', ')})`
  await until('their sessions to end', async () => (await sessions(holder, theirs)).length === 0)
  await holder.query('ROLLBACK')
  t.match(await repo.find(id, signal), { name: 'A' }, 'nothing of them is done later')
  const [find, ...others] = sent.slice(before)
  t.match(find, /^select /, 'and nothing is sent when their wait has ended')
  t.strictSame(others, [])
})

test('a call that waits longer for a row than a session may is served, and does its work once', async (t) => {
  const { db, repo, id, holder } = await withLockedUser(t)
  let attempts = 0
  const call = db.tx(signal, async ({ users }) => {
    attempts += 1
    await users.insert(newUser('once@example.org'))
    return users.update(id, { name: 'B' })
  })
  await until('a second attempt', () => attempts === 2)
  await holder.query('ROLLBACK')
  t.equal(await call, true)
  const stored = await repo.list({ after: 0n, limit: 9 }, signal)
  t.match(stored, [{ name: 'B' }, { email: 'once@example.org' }])
  t.equal(stored.length, 2)
})

test('a migration waits for a row that is locked for longer than its session may wait', async (t) => {
  const { dsn, repo, id, holder } = await withLockedUser(t)
  const connection = createCoreConnection(dsn)
  t.teardown(() => connection.destroy())
  connection.query('SET innodb_lock_wait_timeout = 1')
  const name = 'renamed'
  const migrated = migrateMysql(connection, [
    { name, statements: ["UPDATE users SET name = CONCAT(name, 'B')"] },
  ])
  await until('a second attempt', async () => {
    const [[row]] = await holder.query<RowDataPacket[]>("SHOW GLOBAL STATUS LIKE 'Com_update'")
    return Number(row?.Value) >= 2
  })
  await holder.query('ROLLBACK')
  t.strictSame(await migrated, [name])
  t.match(await repo.find(id, signal), { name: 'AB' })
})
