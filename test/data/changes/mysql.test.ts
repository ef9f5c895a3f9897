import { type Connection, createConnection } from 'mysql2/promise'
import { type Test, test } from 'tap'
import { mysqlDatabase } from '../../../src/data/mysql/database.ts'
import { freshMysqlDatabase } from '../../help/db.ts'
import { started } from '../../help/started.ts'
import { changesContract, fakeClock, newUser, process, take } from './contract.ts'

for (const groupWrites of [false, true])
  changesContract((title, run) => {
    test(`${title} (MySQL${groupWrites ? ', creates in groups' : ''})`, async (t) => {
      const dsn = await freshMysqlDatabase(t)
      const pool = { size: 10, maxWaiting: 1024, waitMs: 30_000 }
      const db = await started(mysqlDatabase({ source: dsn, pool, groupWrites }))
      t.teardown(() => db.close())
      async function execute(sql: string): Promise<void> {
        const connection = await createConnection(dsn)
        await connection.query(sql)
        await connection.end()
      }
      await run(t, { db, execute })
    })
  })

const signal = new AbortController().signal

/** Inserts a change in a transaction of its own, which stays open. */
async function openChange(t: Test, dsn: string, id: bigint): Promise<Connection> {
  const connection = await createConnection(dsn)
  t.teardown(() => connection.end())
  await connection.query('BEGIN')
  await connection.query(`INSERT INTO user_changes (user_id, kind) VALUES (${id}, 2)`)
  return connection
}

async function opened(t: Test) {
  const dsn = await freshMysqlDatabase(t)
  const pool = { size: 10, maxWaiting: 1024, waitMs: 30_000 }
  const db = await started(mysqlDatabase({ source: dsn, pool }))
  t.teardown(() => db.close())
  const { clock, stepping } = fakeClock()
  return { dsn, stepping, ...process(t, db, { clock, gapMs: 5000, pollMs: 1000 }) }
}

test('a change that is committed late is told before later ones, and is not lost', async (t) => {
  const { dsn, repo, feed, stepping } = await opened(t)
  const watch = await feed.open(undefined, signal)
  const late = await openChange(t, dsn, 77n)
  const id = await repo.insert(newUser(), signal)
  // It waits for a poll, and begins before the gap that this has seen.
  const during = await feed.open(undefined, signal)
  t.equal(during?.start.seq, watch?.start.seq)
  await late.query('COMMIT')
  for (const each of [watch, during]) {
    const seen = await stepping(100, take(each, 2))
    t.strictSame(
      seen.map((change) => change.id),
      [77n, id],
    )
    each?.close()
  }
})

test('a change that was open before anybody watched is told, too', async (t) => {
  const { dsn, repo, feed, stepping } = await opened(t)
  await repo.insert(newUser(), signal)
  const late = await openChange(t, dsn, 77n)
  const id = await repo.insert(newUser(), signal)
  const watch = await feed.open(undefined, signal)
  await late.query('COMMIT')
  const seen = (await stepping(100, take(watch, 2))).map((change) => change.id)
  t.strictSame(seen.slice(-2), [77n, id])
  watch?.close()
})

test('a change that is rolled back holds later ones up for the time of a gap only', async (t) => {
  const { dsn, repo, feed, stepping } = await opened(t)
  const watch = await feed.open(undefined, signal)
  const never = await openChange(t, dsn, 77n)
  const id = await repo.insert(newUser(), signal)
  const during = await feed.open(undefined, signal)
  t.equal(during?.start.seq, watch?.start.seq)
  during?.close()
  await never.query('ROLLBACK')
  const seen = await stepping(1000, take(watch, 1))
  t.strictSame(
    seen.map((change) => change.id),
    [id],
  )
  watch?.close()
})
