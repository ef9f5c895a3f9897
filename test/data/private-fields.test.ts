import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { test } from 'tap'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { type Storage, unobserved } from '../../src/data/statement-observer.ts'
import { freshMysqlDatabase } from '../help/db.ts'
import { started } from '../help/started.ts'

test('a database that has answered is known as MySQL or MariaDB, and its idle connections are counted', async (t) => {
  const source = await freshMysqlDatabase(t)
  const admin = await createConnection(source)
  t.teardown(() => admin.end())
  const [[row]] = await admin.query<RowDataPacket[]>('SELECT VERSION() AS version')
  const system = /mariadb/i.test(String(row?.version)) ? 'mariadb' : 'mysql'
  let storage: Storage | undefined
  const db = mysqlDatabase({
    source,
    pool: { size: 3, maxWaiting: 3, waitMs: 10_000 },
    observe(observed) {
      storage = observed
      return unobserved
    },
  })
  t.teardown(() => db.close())
  await started(db)
  const signal = new AbortController().signal
  await db.use(signal, async () => undefined)
  const [pool] = db.pools()
  t.equal(storage?.system, system)
  // Without mysql2's _allConnections only the connections in use would be counted.
  t.ok(pool !== undefined && pool.open > 0)
  t.equal(pool?.used, 0)
})
