import { createConnection } from 'mysql2/promise'
import { test } from 'tap'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { userRepo } from '../../src/data/user.ts'
import { freshMysqlDatabase } from '../help/db.ts'
import { started } from '../help/started.ts'
import { until } from '../help/until.ts'

const signal = new AbortController().signal

function newUser(email: string) {
  return { name: 'Ada', email, phone: '', createdAt: new Date() }
}

test('the known total is given while the database does not end the new count', async (t) => {
  const source = await freshMysqlDatabase(t)
  const db = mysqlDatabase({ source, pool: { size: 4, maxWaiting: 64, waitMs: 30_000 } })
  t.teardown(() => db.close())
  await started(db)
  const closing = new AbortController()
  const total = { exactUpTo: 1, maxAgeMs: 0, closing: closing.signal }
  const repo = userRepo(db, { total })
  for (const name of ['a', 'b']) await repo.insert(newUser(`${name}@example.org`), signal)
  t.equal(await repo.count(signal), 2)
  await repo.insert(newUser('c@example.org'), signal)

  // A count waits for this lock for as long as it is held.
  const other = await createConnection(source)
  t.teardown(() => other.end())
  await other.query('LOCK TABLES users WRITE')
  t.equal(await repo.count(signal), 2)
  t.equal(db.pools()[0]?.used, 1, 'the new count goes on')
  t.equal(await repo.count(signal), 2)
  t.equal(db.pools()[0]?.used, 1, 'and is the only one')
  await other.query('UNLOCK TABLES')
  await until('the new total', async () => (await repo.count(signal)) === 3)

  await other.query('LOCK TABLES users WRITE')
  t.equal(await repo.count(signal), 3)
  t.equal(db.pools()[0]?.used, 1)
  closing.abort()
  await until('the end of the count', () => db.pools()[0]?.used === 0)
})
