import { type Connection, createConnection } from 'mysql2'
import { createConnection as connect } from 'mysql2/promise'
import fc from 'fast-check'
import { inspect } from 'node:util'
import { test, type Test } from 'tap'
import type { NewUser } from '../../src/biz/user.ts'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { connectionOptions } from '../../src/data/mysql/connection-options.ts'
import { parseMysqlDsn } from '../../src/data/mysql/dsn.ts'
import { mysqlQueries } from '../../src/data/mysql/queries.ts'
import { unobserved } from '../../src/data/statement-observer.ts'
import { freshMysqlDatabase } from '../help/db.ts'
import { started } from '../help/started.ts'
import { openRepo } from './contract.ts'
import { settableServer } from './settable-server.ts'

/** How many texts, and the seed that a failure printed: DATA_TEXTS=100000 DATA_SEED=42. */
const texts = Number(process.env.DATA_TEXTS ?? 3000)
const seed = Number(process.env.DATA_SEED ?? Date.now() % 2 ** 31)

const signal = new AbortController().signal
const page = 1000

async function opened(t: Test, source: string, size = 4) {
  const db = await started(
    mysqlDatabase({ source, pool: { size, maxWaiting: 1024, waitMs: 10_000 } }),
  )
  t.teardown(() => db.close())
  return { db, repo: openRepo(db) }
}

function newUser(name: string, at: number): NewUser {
  return {
    name,
    email: `${at}@example.org`,
    phone: '',
    createdAt: new Date(1_700_000_000_000 + at),
  }
}

/** Characters of all planes, half surrogates, and those that a text of SQL or another charset gives a meaning. */
const unit = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  fc.constantFrom(...'\' " \\ ` % _ ; - # / * ? \0 \x1a \n \r \t'.split(' '), ' '),
  fc.constantFrom(...'縗 ¿ ß 表 能 十 Ā ߿ \uffff'.split(' ')),
  fc.integer({ min: 0xd8_00, max: 0xdf_ff }).map((half) => String.fromCharCode(half)),
  fc.integer({ min: 0x80, max: 0xff }).map((byte) => String.fromCharCode(byte)),
)
const text = fc.string({ unit, maxLength: 100 })

test(`random texts come back as sent from a server of GBK (DATA_SEED=${seed})`, async (t) => {
  const server = await settableServer(t, [
    '--skip-character-set-client-handshake',
    '--character-set-server=gbk',
  ])
  const { db, repo } = await opened(t, await server.database(t))
  const sent = fc.sample(text, { numRuns: texts, seed }).map(newUser)
  for (let at = 0; at < sent.length; at += page) {
    const [many, ...single] = [sent.slice(at + 99, at + page), ...sent.slice(at, at + 99)]
    for (const user of single) await repo.insert(user, signal)
    await db.use(signal, ({ users }) => users.insertMany(many))
  }
  let after = 0n
  for (let at = 0; at < sent.length; at += page) {
    const users = await repo.list({ after, limit: page }, signal)
    after = users.at(-1)?.id ?? 0n
    const expected = sent.slice(at, at + page)
    t.strictSame(
      users.map(({ name }) => name),
      // UTF-8 has no half surrogates.
      expected.map(({ name }) => name.toWellFormed()),
    )
  }
})

test('no statement has a value in its text', async (t) => {
  const server = await settableServer(t)
  const dsn = await server.database(t, { log_output: "'TABLE'", general_log: 1 })
  const { db, repo } = await opened(t, dsn)
  await server.execute('TRUNCATE mysql.general_log')

  async function textsOf(name: string, at: number): Promise<string[]> {
    const id = await repo.insert(newUser(name, at), signal)
    await repo.update(id, { name: `${name}!`, email: `${name}@x`, phone: name.slice(0, 9) }, signal)
    await repo.list({ after: id, limit: at }, signal)
    await repo.list({ offset: at, limit: at }, signal)
    await repo.delete(id, signal)
    await db.use(signal, ({ users }) => users.insertMany([newUser(name, at)]))
    const rows = await server.read(
      "SELECT DISTINCT argument FROM mysql.general_log WHERE user_host LIKE 'app%' AND command_type IN ('Query', 'Prepare')",
    )
    const texts = rows.map(({ argument }) => String(argument))
    // The monitor asks by the clock.
    return texts.filter((sql) => !sql.startsWith('SELECT @@')).sort()
  }

  const first = await textsOf('Ada', 1)
  t.strictSame(await textsOf(`\u7e17',(select current_user()),0x30,now())-- -`, 2), first)
  for (const sql of first) t.notMatch(sql, /Ada|example\.org/)
  t.ok(first.some((sql) => sql.startsWith('insert into `users`')))
})

/** The statements on one connection, as the service has them, and the texts that they were run with. */
async function onOneConnection(t: Test) {
  const dsn = await freshMysqlDatabase(t)
  await opened(t, dsn)
  const connection = createConnection(connectionOptions(parseMysqlDsn(dsn)))
  t.teardown(() => connection.destroy())
  const run: string[] = []
  const { users: queries } = mysqlQueries(connection, {
    ...unobserved,
    statement(sql, work) {
      run.push(sql)
      return work()
    },
  })
  return { connection, queries, run }
}

/** Has the server forget a statement that the driver still takes for prepared, as behind a proxy. */
function forgotten(connection: Connection, sql: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  connection.prepare(sql, (err, statement) => {
    if (err) return reject(err)
    statement.close()
    resolve()
  })
  return promise
}

test('a statement that the server has lost is prepared anew', async (t) => {
  const { connection, queries, run } = await onOneConnection(t)
  const user = newUser('Ada', 1)
  const id = await queries.insert(user)
  t.strictSame(await queries.find(id), { id, ...user })
  for (const sql of run) await forgotten(connection, sql)
  t.strictSame(await queries.find(id), { id, ...user })
  t.ok((await queries.insert(newUser('Grace', 2))) > id)
  t.equal(run.length, 4, 'a statement that is prepared anew is one statement')
})

test('a server that prepares no more statements is unavailable', async (t) => {
  const server = await settableServer(t)
  const { repo } = await opened(t, await server.database(t))
  await server.execute('SET GLOBAL max_prepared_stmt_count = 0')
  const err = await t.rejects(repo.find(1n, signal))
  t.match(err, { kind: 'unavailable', reason: 'DATABASE_UNAVAILABLE' })
  t.match(err, { cause: { message: 'ER_MAX_PREPARED_STMT_COUNT_REACHED' } })
  await server.execute('SET GLOBAL max_prepared_stmt_count = 100')
  t.equal(await repo.find(1n, signal), undefined)
})

/** How many statements a server keeps prepared, of all connections. */
async function keptBy(server: Awaited<ReturnType<typeof settableServer>>): Promise<number> {
  const [row] = await server.read("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")
  return Number(row?.Value)
}

test('where a server keeps few statements, the oldest are closed and calls go on', async (t) => {
  const server = await settableServer(t)
  const { repo } = await opened(t, await server.database(t), 1)
  const id = await repo.insert(newUser('Ada', 1), signal)
  await server.execute('SET GLOBAL max_prepared_stmt_count = 2')
  for (let round = 1; round <= 2; round += 1) {
    t.match(await repo.update(id, { name: `Ada ${round}` }, signal), { name: `Ada ${round}` })
    t.match(await repo.list({ offset: 0, limit: 5 }, signal), [{ id }])
    t.match(await repo.list({ after: 0n, limit: 5 }, signal), [{ id }])
    t.equal(await repo.count(signal), 1)
    t.match(await repo.find(id, signal), { id, name: `Ada ${round}` })
  }
  t.equal(await keptBy(server), 2)
})

test('one connection keeps a bounded number of statements', async (t) => {
  const server = await settableServer(t)
  const { db, repo } = await opened(t, await server.database(t), 1)
  await server.execute('SET GLOBAL max_prepared_stmt_count = 16382')
  for (let rows = 1; rows <= 60; rows += 1) {
    const many = Array.from({ length: rows }, (_, at) => newUser('Ada', rows * 100 + at))
    await db.use(signal, ({ users }) => users.insertMany(many))
  }
  t.equal(await keptBy(server), 49, '48, and the one that recorded the migration')
  t.equal(await repo.count(signal), 1830)
})

test('only a mail address that is taken is told as one, whatever stands in the values', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const { repo } = await opened(t, dsn)
  await executeOn(dsn, 'ALTER TABLE users ADD UNIQUE KEY other (name)')
  const quoted = "x' for key 'users.users_email_unique'"
  const user = { ...newUser(quoted, 1), email: quoted }
  await repo.insert(user, signal)
  const taken = { reason: 'USER_ALREADY_EXISTS', metadata: { email: quoted } }
  t.match(await t.rejects(repo.insert({ ...user, name: 'new' }, signal)), taken)
  const other = await t.rejects(repo.insert(newUser(quoted, 2), signal))
  t.match(other, { kind: 'internal', reason: 'INTERNAL' })
  t.match(other, { cause: { message: /ER_DUP_ENTRY \(1062\) in .*insert into/ } })
  t.notMatch(inspect(other, { depth: null, showHidden: true }), 'for key')
})

test('an id that is given twice is a failure of the database, not of the caller', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const { repo } = await opened(t, dsn)
  await repo.insert(newUser('Ada', 1), signal)
  await executeOn(dsn, 'CREATE TRIGGER same_id BEFORE INSERT ON users FOR EACH ROW SET NEW.id = 1')
  const err = await t.rejects(repo.insert(newUser('Ada', 2), signal))
  t.match(err, { kind: 'internal', reason: 'INTERNAL' })
})

async function executeOn(dsn: string, sql: string): Promise<void> {
  const connection = await connect(dsn)
  await connection.query(sql)
  await connection.end()
}
