import { createConnection as createCoreConnection } from 'mysql2'
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise'
import { once } from 'node:events'
import { inspect } from 'node:util'
import { test, type Test } from 'tap'
import type { NewUser } from '../../src/biz/user.ts'
import type { Database } from '../../src/data/database.ts'
import { drizzleOrm } from '../../src/data/drizzle.ts'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { mysqlError } from '../../src/data/mysql/error.ts'
import { mysqlQueries } from '../../src/data/mysql/queries.ts'
import { type StatementObserver, unobserved } from '../../src/data/statement-observer.ts'
import { freshMysqlDatabase, migrationNames } from '../help/db.ts'
import { openRepo, repoContract } from './contract.ts'
import { until } from '../help/until.ts'
import { started } from '../help/started.ts'

const signal = new AbortController().signal

function open(
  source: string,
  pool: Partial<{ size: number; maxWaiting: number; waitMs: number }> = {},
) {
  return mysqlDatabase({ source, pool: { size: 10, maxWaiting: 1024, waitMs: 30_000, ...pool } })
}

async function opened(t: Test, db: Database): Promise<Database> {
  t.teardown(() => db.close())
  return started(db)
}

repoContract((title, run) => {
  test(`${title} (MySQL)`, async (t) => {
    const dsn = await freshMysqlDatabase(t)
    const db = await opened(t, open(dsn))
    const nextId = (id: bigint) => execute(dsn, `ALTER TABLE users AUTO_INCREMENT = ${id}`)
    await run(
      t,
      { open: () => open(dsn), nextId, execute: (sql) => execute(dsn, sql) },
      openRepo(db),
    )
  })
})

function newUser(email: string, createdAt = new Date()): NewUser {
  return { name: 'Ada', email, phone: '', createdAt }
}

async function connection(t: Test, dsn: string): Promise<Connection> {
  const connected = await createConnection(dsn)
  t.teardown(() => connected.end())
  return connected
}

/** Waits until so many statements of a kind run in the database, and gives their connections. */
async function running(admin: Connection, kind: string, count: number): Promise<number[]> {
  let ids: number[] = []
  await until(`${count} statements that ${kind}`, async () => {
    const [rows] = await admin.query<RowDataPacket[]>(
      'SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE ?',
      [`${kind} %`],
    )
    ids = rows.map(({ id }) => Number(id))
    return ids.length === count
  })
  return ids
}

async function execute(dsn: string, sql: string): Promise<void> {
  const connection = await createConnection(dsn)
  await connection.query(sql)
  await connection.end()
}

test('five processes that migrate a new database at once apply each migration once', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const processes = Array.from({ length: 5 }, () => open(dsn))
  t.teardown(() => Promise.all(processes.map((each) => each.close())))
  const applied = await Promise.all(processes.map((each) => each.migrate()))
  t.strictSame(applied.flat(), await migrationNames('mysql'))
})

test('waiting for a connection is bounded in time and in number', async (t) => {
  const db = await opened(
    t,
    open(await freshMysqlDatabase(t), { size: 1, maxWaiting: 1, waitMs: 200 }),
  )
  const release = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const holding = db.use(signal, () => {
    held.resolve()
    return release.promise
  })
  await held.promise
  const begin = performance.now()
  const waits = db.use(signal, ({ users }) => users.count())
  const refused = db.use(signal, ({ users }) => users.count())
  const ends: string[] = []
  waits.catch(() => ends.push('waits'))
  refused.catch(() => ends.push('refused'))
  t.match(await t.rejects(refused), { cause: { message: /1 calls wait/ } })
  t.strictSame(ends, ['refused'], 'at once')
  t.match(await t.rejects(waits), { cause: { message: /200 ms/ } })
  t.ok(performance.now() - begin >= 190)
  release.resolve()
  await holding
  t.equal(await db.use(signal, ({ users }) => users.count()), 0, 'the slot is free again')
})

test('a call that is given up gives its connection’s locks back', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const db = await opened(t, open(dsn, { size: 2 }))
  const repo = openRepo(db)
  const user = { name: 'A', email: 'a@example.org', phone: '', createdAt: new Date() }
  const id = await repo.insert(user, signal)
  const locker = await createConnection(dsn)
  t.teardown(() => locker.end())
  await locker.query('BEGIN')
  await locker.query('SELECT * FROM users FOR UPDATE')
  const reason = new Error('given up')
  const controller = new AbortController()
  const updates = [1, 2].map(() => repo.update(id, { name: 'B' }, controller.signal))
  const outcomes = Promise.allSettled(updates)
  // Neither can end. The server does not renew innodb_trx while it is read more often than each 0.1 s.
  await running(locker, 'update', updates.length)
  controller.abort(reason)
  t.match(await outcomes, [{ reason }, { reason }])
  t.match(await repo.find(id, signal), { name: 'A' }, 'both connections are free')
  await locker.query('ROLLBACK')
  t.match(await repo.update(id, { name: 'C' }, signal), { name: 'C' })
})

test('a connection that is killed in a transaction costs that call only, and leaves nothing', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const db = await opened(t, open(dsn, { size: 1 }))
  const repo = openRepo(db)
  const locked = await repo.insert(newUser('locked@example.org'), signal)
  const admin = await connection(t, dsn)
  await admin.query('BEGIN')
  await admin.query(`SELECT * FROM users WHERE id = ${locked} FOR UPDATE`)
  const transaction = db.tx(signal, async ({ users }) => {
    await users.insert(newUser('hidden@example.org'))
    return users.update(locked, { name: 'Hidden' })
  })
  const failed = t.rejects(transaction, 'it fails')
  const [id] = await running(admin, 'update', 1)
  await admin.query(`KILL ${id}`)
  const err = await failed
  t.match(err, { kind: 'unavailable', reason: 'DATABASE_UNAVAILABLE' })
  t.notMatch(inspect(err, { depth: null, showHidden: true }), /hidden@|'Hidden'|insert into/)
  await admin.query('ROLLBACK')
  t.match(await repo.update(locked, { name: 'Changed' }, signal), { name: 'Changed' })
  t.equal(await repo.count(signal), 1)
})

test('a statement on a connection that is gone is unavailable, and shows no value', async (t) => {
  const gone = createCoreConnection(await freshMysqlDatabase(t))
  await once(gone, 'connect')
  gone.destroy()
  const err = mysqlError(
    await t.rejects(mysqlQueries(gone, unobserved).users.insert(newUser('hidden@x.org'))),
  )
  t.match(err, { kind: 'unavailable', reason: 'DATABASE_UNAVAILABLE' })
  t.notMatch(inspect(err, { depth: null, showHidden: true }), /hidden@|insert into/)
})

test('an error that is not the server’s loses the statement that was around it', async (t) => {
  const bug = new TypeError('a bug')
  t.equal(mysqlError(new drizzleOrm.DrizzleQueryError('insert', ['hidden'], bug)), bug)
})

test('creates that deadlock over a deleted address end with one of them stored', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const repo = openRepo(await opened(t, open(dsn)))
  const user = newUser('again@example.org')
  const id = await repo.insert(user, signal)
  const admin = await connection(t, dsn)
  await admin.query('BEGIN')
  await admin.query(`DELETE FROM users WHERE id = ${id}`)
  // All wait to read the deleted entry; then each holds it shared and wants it for itself.
  const creates = Promise.allSettled(Array.from({ length: 6 }, () => repo.insert(user, signal)))
  await running(admin, 'insert', 6)
  await admin.query('COMMIT')
  const refused = (await creates).filter((result) => result.status === 'rejected')
  t.equal(refused.length, 5)
  for (const { reason } of refused) t.match(reason, { reason: 'USER_ALREADY_EXISTS' })
})

test('a user whose change cannot be recorded is not stored', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const repo = openRepo(await opened(t, open(dsn, { size: 1 })))
  await repo.insert(newUser('1@example.org'), signal)
  await execute(
    dsn,
    "CREATE TRIGGER bad BEFORE INSERT ON user_changes FOR EACH ROW SIGNAL SQLSTATE '45000'",
  )
  t.match(await t.rejects(repo.insert(newUser('2@example.org'), signal)), { kind: 'internal' })
  await execute(dsn, 'DROP TRIGGER bad')
  const id = await repo.insert(newUser('3@example.org'), signal)
  const stored = await repo.list({ after: 0n, limit: 9 }, signal)
  t.strictSame(
    stored.map(({ email }) => email),
    ['1@example.org', '3@example.org'],
  )
  const admin = await connection(t, dsn)
  const [rows] = await admin.query(
    'SELECT user_id, kind FROM user_changes WHERE kind > 0 ORDER BY seq',
  )
  t.match(rows, [{ kind: 1 }, { user_id: Number(id), kind: 1 }])
})

test('two transactions that wait for each other are both done in the end', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const db = await opened(t, open(dsn))
  const repo = openRepo(db)
  const one = await repo.insert(newUser('1@example.org'), signal)
  const other = await repo.insert(newUser('2@example.org'), signal)
  const holds = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let begun = 0
  const inOrder = (name: string, ...ids: [bigint, bigint]) =>
    db.tx(signal, async ({ users }) => {
      const at = begun
      begun += 1
      await users.update(ids[0], { name })
      holds[at]?.resolve()
      await Promise.all(holds.map(({ promise }) => promise))
      await users.update(ids[1], { name })
    })
  await Promise.all([inOrder('A', one, other), inOrder('B', other, one)])
  t.ok(begun > 2, 'one of them was begun anew')
  const names = (await repo.list({ after: 0n, limit: 2 }, signal)).map(({ name }) => name)
  t.match(names.join(), /^(A,A|B,B)$/)
})

test('a page is the same, whichever statement reads it', async (t) => {
  const db = await opened(t, open(await freshMysqlDatabase(t)))
  const repo = openRepo(db)
  const many = Array.from({ length: 1010 }, (_, at) => newUser(`${at}@example.org`))
  await db.use(signal, ({ users }) => users.insertMany(many))
  const all = await repo.list({ after: 0n, limit: 2000 }, signal)
  t.equal(all.length, 1010)
  // The last offset of the one, and the first of the other.
  for (const offset of [998, 999, 1000, 1001, 1008, 1010])
    t.strictSame(await repo.list({ offset, limit: 5 }, signal), all.slice(offset, offset + 5))
})

test('calls for one page at once share statements, and see what was written before them', async (t) => {
  const statements: string[] = []
  const statement: StatementObserver['statement'] = (sql, run) => {
    statements.push(sql)
    return run()
  }
  const pool = { size: 10, maxWaiting: 1024, waitMs: 30_000 }
  const source = await freshMysqlDatabase(t)
  const observe = () => ({ ...unobserved, statement })
  const repo = openRepo(await opened(t, mysqlDatabase({ source, pool, observe })))
  const ids: bigint[] = []
  for (const at of [1, 2, 3, 4]) ids.push(await repo.insert(newUser(`${at}@example.org`), signal))
  statements.length = 0
  const reason = new Error('given up')
  const controller = new AbortController()
  const list = (offset: number, caller = signal) => repo.list({ offset, limit: 2 }, caller)
  const pages = Array.from({ length: 60 }, (_, at) => list(at % 2))
  const leaves = t.rejects(list(0, controller.signal), reason)
  controller.abort(reason)
  const after = Array.from({ length: 20 }, () => repo.list({ after: 2n, limit: 2 }, signal))
  for (const [at, page] of (await Promise.all(pages)).entries())
    t.match(
      page,
      at % 2 === 0 ? [{ id: ids[0] }, { id: ids[1] }] : [{ id: ids[1] }, { id: ids[2] }],
    )
  for (const page of await Promise.all(after)) t.match(page, [{ id: ids[2] }, { id: ids[3] }])
  await leaves
  t.ok(statements.length < 12, `${statements.length} statements for 81 calls`)
  const early = Array.from({ length: 5 }, () => list(4))
  const id = await repo.insert(newUser('late@example.org'), signal)
  t.match(await list(4), [{ id }])
  await Promise.all(early)
})

test('times are stored in UTC, to the millisecond', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const repo = openRepo(await opened(t, open(dsn)))
  await repo.insert(newUser('a@example.org', new Date('2024-02-29T23:59:59.007Z')), signal)
  const admin = await connection(t, dsn)
  const [rows] = await admin.query('SELECT CAST(created_at AS char) AS text FROM users')
  t.strictSame(rows, [{ text: '2024-02-29 23:59:59.007' }])
})

test('a server without room for one more connection is unavailable, not broken', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const database = new URL(dsn).pathname.slice(1)
  const account = `u${database.slice(5, 25)}`
  const admin = await connection(t, dsn)
  await admin.query(`CREATE USER ${account} WITH MAX_USER_CONNECTIONS 2`)
  t.teardown(() => execute(dsn, `DROP USER ${account}`))
  await admin.query(`GRANT ALL ON ${database}.* TO ${account}`)
  const limited = new URL(dsn)
  limited.username = account
  // One of the two connections is the one that watches the server.
  const db = await opened(t, open(limited.href, { size: 2 }))
  const release = Promise.withResolvers<void>()
  const entered = Promise.withResolvers<void>()
  const holding = db.use(signal, async ({ users }) => {
    await users.count()
    entered.resolve()
    await release.promise
  })
  await entered.promise
  t.match(await t.rejects(openRepo(db).find(1n, signal)), { reason: 'DATABASE_UNAVAILABLE' })
  release.resolve()
  await holding
  t.equal(await openRepo(db).find(1n, signal), undefined)
})

test('a server that is not there is told as the problem, and calls are refused at once', async (t) => {
  const db = open('mysql://root@127.0.0.1:1/none')
  t.teardown(() => db.close())
  await db.start({
    changed: () => undefined,
    migrated: () => undefined,
    rejected: (err) => t.fail(err),
  })
  t.match(db.problems(), { database: 'ECONNREFUSED' })
  t.match(await t.rejects(openRepo(db).find(1n, signal)), { kind: 'unavailable' })
})
