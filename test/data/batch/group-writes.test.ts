import { createConnection as createCoreConnection } from 'mysql2'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { test, type Test } from 'tap'
import type { NewUser } from '../../../src/biz/user.ts'
import { connectionOptions } from '../../../src/data/mysql/connection-options.ts'
import { mysqlDatabase } from '../../../src/data/mysql/database.ts'
import { parseMysqlDsn } from '../../../src/data/mysql/dsn.ts'
import { mysqlQueries } from '../../../src/data/mysql/queries.ts'
import { type StatementObserver, unobserved } from '../../../src/data/statement-observer.ts'
import { freshMysqlDatabase } from '../../help/db.ts'
import { started } from '../../help/started.ts'
import { openRepo, repoContract } from '../contract.ts'

const signal = new AbortController().signal

/** Keeps the texts that storage runs. */
function texts() {
  const run: string[] = []
  const observer: StatementObserver = {
    ...unobserved,
    statement(sql, work) {
      run.push(sql)
      return work()
    },
  }
  return { run, observer }
}

function open(source: string, observer: StatementObserver = unobserved) {
  const pool = { size: 5, maxWaiting: 1024, waitMs: 30_000 }
  return mysqlDatabase({ source, pool, groupWrites: true, observe: () => observer })
}

async function opened(t: Test) {
  const dsn = await freshMysqlDatabase(t)
  const { run, observer } = texts()
  const db = await started(open(dsn, observer))
  t.teardown(() => db.close())
  const admin = await createConnection(dsn)
  t.teardown(() => admin.end())
  return { dsn, db, repo: openRepo(db), admin, run }
}

function newUser(at: number | string, name = 'Ada'): NewUser {
  return { name, email: `${at}@example.org`, phone: '', createdAt: new Date(1_700_000_000_123) }
}

repoContract((title, run) => {
  test(`${title} (creates in groups)`, async (t) => {
    const { dsn, repo, admin } = await opened(t)
    const execute = async (sql: string) => void (await admin.query(sql))
    const nextId = (id: bigint) => execute(`ALTER TABLE users AUTO_INCREMENT = ${id}`)
    await run(t, { open: () => open(dsn), nextId, execute }, repo)
  })
})

test('creates at once share statements, and each gets its own id', async (t) => {
  const { repo, run } = await opened(t)
  const users = Array.from({ length: 200 }, (_, at) => newUser(at, `Ada ${at}`))
  const ids = await Promise.all(users.map((user) => repo.insert(user, signal)))
  for (const [at, id] of ids.entries())
    t.strictSame(await repo.find(id, signal), { id, ...users[at] })
  const inserts = run.filter((sql) => sql.startsWith('insert into `users`'))
  t.ok(inserts.length < 60, `${inserts.length} statements for 200 creates`)
  t.ok(new Set(inserts).size <= 7, 'of few texts')
})

test('a create that finds none under way has the statement of a single one', async (t) => {
  const { repo, run } = await opened(t)
  run.length = 0
  await repo.insert(newUser(1), signal)
  await repo.insert(newUser(2), signal)
  const atOnce = ['begin not atomic']
  const steps = ['BEGIN', 'insert into `users`', 'insert into `user_changes`', 'COMMIT']
  const own = run[0] === 'BEGIN' ? steps : atOnce
  t.strictSame(
    run.map((sql) => own.find((begin) => sql.startsWith(begin))),
    [...own, ...own],
  )
  t.notMatch(run.join(), /\), \(/)
})

test('a mail address that is taken fails its own create only', async (t) => {
  const { repo, run } = await opened(t)
  await repo.insert(newUser('taken'), signal)
  const users = Array.from({ length: 40 }, (_, at) => newUser(at % 13 === 5 ? 'taken' : at))
  const results = await Promise.allSettled(users.map((user) => repo.insert(user, signal)))
  for (const [at, result] of results.entries()) {
    if (at % 13 !== 5) t.equal(result.status, 'fulfilled', `create ${at}`)
    else t.match(result, { reason: { reason: 'USER_ALREADY_EXISTS' } }, `create ${at}`)
  }
  t.equal(await repo.count(signal), 38)
  t.ok(run.some((sql) => sql.includes('), (')))
})

test('a row that the database rejects fails its own create only', async (t) => {
  const { repo, admin } = await opened(t)
  await admin.query(
    "CREATE TRIGGER bad BEFORE INSERT ON users FOR EACH ROW IF NEW.name = 'bad' THEN SIGNAL SQLSTATE '45000'; END IF",
  )
  const users = Array.from({ length: 20 }, (_, at) => newUser(at, at === 10 ? 'bad' : 'Ada'))
  const results = await Promise.allSettled(users.map((user) => repo.insert(user, signal)))
  for (const [at, result] of results.entries()) {
    if (at !== 10) t.equal(result.status, 'fulfilled', `create ${at}`)
    else t.match(result, { reason: { kind: 'internal' } })
  }
  t.equal(await repo.count(signal), 19)
})

test('creates whose connection is lost fail as unavailable, and are not sent again', async (t) => {
  const { repo, admin, run } = await opened(t)
  await admin.query('BEGIN')
  await admin.query("INSERT INTO users VALUES (1, 'Ada', '0@example.org', '', NOW())")
  // The first waits for the lock on its address, and so does the group that has the same one.
  const first = repo.insert(newUser(0), signal)
  const group = [1, 2, 3, 0].map((at) => repo.insert(newUser(at), signal))
  const results = Promise.allSettled([first, ...group])
  const ids = await waiting(admin, 2)
  const inserts = () => run.filter((sql) => sql.startsWith('insert')).length
  const sent = inserts()
  for (const id of ids) await admin.query(`KILL ${id}`)
  for (const result of await results) t.match(result, { reason: { kind: 'unavailable' } })
  t.equal(inserts(), sent)
  await admin.query('ROLLBACK')
})

/** Waits until so many inserts run in the database, and gives their connections. */
async function waiting(admin: Awaited<ReturnType<typeof createConnection>>, count: number) {
  for (;;) {
    const [rows] = await admin.query<RowDataPacket[]>(
      "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'insert%'",
    )
    if (rows.length === count) return rows.map(({ id }) => Number(id))
  }
}

for (const server of ['MariaDB', 'MySQL'])
  test(`ids are those of their rows where ids have gaps, as on ${server}`, async (t) => {
    const { dsn } = await opened(t)
    const connection = createCoreConnection(connectionOptions(parseMysqlDsn(dsn)))
    t.teardown(() => connection.destroy())
    const { run, observer } = texts()
    const { users } = mysqlQueries(connection, observer)
    await new Promise((resolve) => connection.query('SET auto_increment_increment = 7', resolve))
    // As mysql2 notes it of a greeting of MySQL, which has no RETURNING.
    if (server === 'MySQL') Object.assign(connection, { _isMariaDB: false })
    const rows = [5, 3, 9, 1].map((at) => newUser(at))
    const stored = await users.insertMany(rows)
    t.strictSame(stored.map(({ email }) => email).sort(), rows.map(({ email }) => email).sort())
    for (const { id, email } of stored)
      t.strictSame(await users.find(id), { id, ...rows.find((row) => row.email === email) })
    t.equal(run[0]?.includes('returning'), server !== 'MySQL')
  })
