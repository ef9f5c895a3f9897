import { createConnection } from 'mysql2/promise'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import type { Database } from '../../src/data/database.ts'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { freshMysqlDatabase } from '../help/db.ts'
import { openRepo, repoContract, started } from './contract.ts'

const signal = new AbortController().signal

function open(
  source: string,
  pool: Partial<{ size: number; maxWaiting: number; waitMs: number }> = {},
) {
  return mysqlDatabase({ source, pool: { size: 10, maxWaiting: 1024, waitMs: 2000, ...pool } })
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
    await run(t, { open: () => open(dsn), nextId }, openRepo(db))
  })
})

async function execute(dsn: string, sql: string): Promise<void> {
  const connection = await createConnection(dsn)
  await connection.query(sql)
  await connection.end()
}

test('two processes that migrate a new database at once apply each migration once', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const [one, other] = [open(dsn), open(dsn)]
  t.teardown(() => Promise.all([one.close(), other.close()]))
  t.strictSame((await Promise.all([one.migrate(), other.migrate()])).flat(), ['0000_users'])
})

test('a migration that the server rejects is named', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  await execute(dsn, 'CREATE TABLE users (id int)')
  const db = open(dsn)
  t.teardown(() => db.close())
  await t.rejects(db.migrate(), { name: 'MigrationError', message: /0000_users was rejected/ })
})

test('waiting for a connection is bounded in time and in number', async (t) => {
  const db = await opened(
    t,
    open(await freshMysqlDatabase(t), { size: 1, maxWaiting: 1, waitMs: 200 }),
  )
  const release = Promise.withResolvers<void>()
  const holding = db.use(signal, () => release.promise)
  await sleep(20)
  const begin = performance.now()
  const waits = db.use(signal, (users) => users.count())
  const refused = db.use(signal, (users) => users.count())
  t.match(await t.rejects(refused), { cause: { message: /1 calls wait/ } })
  t.ok(performance.now() - begin < 100, 'at once')
  t.match(await t.rejects(waits), { cause: { message: /200 ms/ } })
  t.ok(performance.now() - begin >= 190)
  release.resolve()
  await holding
  t.equal(await db.use(signal, (users) => users.count()), 0, 'the slot is free again')
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
  await t.rejects(
    Promise.all(
      [1, 2].map(() => {
        const controller = new AbortController()
        setTimeout(() => controller.abort(reason), 100)
        return repo.update(id, { name: 'B' }, controller.signal)
      }),
    ),
    reason,
  )
  t.match(await repo.find(id, signal), { name: 'A' }, 'both connections are free')
  await locker.query('ROLLBACK')
  t.match(await repo.update(id, { name: 'C' }, signal), { name: 'C' })
})

test('a connection that the server kills costs its call only', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const db = await opened(t, open(dsn, { size: 1 }))
  const repo = openRepo(db)
  await repo.count(signal)
  const admin = await createConnection(dsn)
  t.teardown(() => admin.end())
  const [rows] = await admin.query(
    'SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()',
  )
  for (const { id } of rows as { id: number }[]) await admin.query(`KILL ${id}`)
  await sleep(50)
  for (let attempt = 0; attempt < 50; attempt += 1) {
    if (
      await repo.count(signal).then(
        () => true,
        () => false,
      )
    )
      return t.pass('it works again')
    await sleep(50)
  }
  t.fail('it never works again')
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
