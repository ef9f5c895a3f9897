import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { test, type Test } from 'tap'
import type { Database, StorageProblems } from '../../src/data/database.ts'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { privateMysqlServer } from '../help/db.ts'
import { openRepo } from './contract.ts'
import { relay } from './relay.ts'
import { until as untilTrue } from '../help/until.ts'
import { started } from '../help/started.ts'

const signal = new AbortController().signal
const open = (source: string, { readOnly = false, size = 5 } = {}) =>
  mysqlDatabase({ source, pool: { size, maxWaiting: 100, waitMs: 30_000 }, readOnly })
const dsnOf = (port: number) => `mysql://app@127.0.0.1:${port}/service`

async function server(t: Test, args: string[] = []) {
  const running = await privateMysqlServer(t, args)
  await running.execute('CREATE USER app')
  await running.execute(`GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON service.* TO app`)
  return running
}

/** Starts it and gives its problems, of which each change can be awaited. */
async function watched(t: Test, db: Database) {
  const seen: StorageProblems[] = []
  let changed = Promise.withResolvers<void>()
  t.teardown(() => db.close())
  await db.start({
    changed(problems) {
      seen.push(problems)
      changed.resolve()
      changed = Promise.withResolvers()
    },
    migrated: () => undefined,
    rejected: (err) => t.fail(err),
  })
  return {
    seen,
    until: async (wanted: StorageProblems): Promise<void> => {
      while (JSON.stringify(db.problems()) !== JSON.stringify(wanted)) await changed.promise
    },
  }
}

const none = { database: '', migrations: '' }

async function emails(dsn: string): Promise<Set<string>> {
  const admin = await createConnection(dsn)
  const [rows] = await admin.query<RowDataPacket[]>('SELECT email FROM service.users')
  await admin.end()
  return new Set(rows.map(({ email }) => String(email)))
}

test('writes go on at the server to which the address leads after a failover', async (t) => {
  const [old, next] = [await server(t), await server(t)]
  const prepared = await started(open(next.dsn))
  await prepared.close()
  const address = await relay(t, old.port)
  const db = open(dsnOf(address.port))
  const { until } = await watched(t, db)
  await until(none)
  const repo = openRepo(db)
  const acknowledged: string[] = []
  const failures: unknown[] = []
  let made = 0
  const over = new AbortController()

  async function lane(): Promise<void> {
    while (!over.signal.aborted) {
      const email = `${(made += 1)}@example.org`
      try {
        await repo.insert({ name: 'A', email, phone: '', createdAt: new Date() }, signal)
        acknowledged.push(email)
      } catch (err) {
        failures.push(err)
        await sleep(5)
      }
    }
  }
  async function reach(count: number): Promise<void> {
    await untilTrue(`${count} writes`, () => acknowledged.length >= count)
  }
  const lanes = Promise.all(Array.from({ length: 8 }, lane))
  await reach(50)
  await old.execute('SET GLOBAL read_only = 1')
  await untilTrue('a failure', () => failures.length > 0)
  await until({ database: 'the server is read-only', migrations: '' })
  address.lead(next.port)
  await until(none)
  await reach(acknowledged.length + 50)
  over.abort()
  await lanes

  for (const err of failures) t.match(err, { kind: 'unavailable', reason: 'DATABASE_UNAVAILABLE' })
  const [before, after] = [await emails(old.dsn), await emails(next.dsn)]
  t.ok(after.size >= 50, 'writes reach the new primary')
  t.strictSame(
    acknowledged.filter((email) => !before.has(email) && !after.has(email)),
    [],
    'each acknowledged write is there',
  )
})

test('a server that becomes read-only is not ready, and reads go on', async (t) => {
  const primary = await server(t)
  const db = open(dsnOf(primary.port))
  const { until } = await watched(t, db)
  await until(none)
  const repo = openRepo(db)
  const user = { name: 'A', email: 'a@example.org', phone: '', createdAt: new Date() }
  const id = await repo.insert(user, signal)
  await primary.execute('SET GLOBAL read_only = 1')
  await until({ database: 'the server is read-only', migrations: '' })
  t.match(await repo.find(id, signal), user)
  t.match(await t.rejects(repo.delete(id, signal)), { reason: 'DATABASE_UNAVAILABLE' })
  await primary.execute('SET GLOBAL read_only = 0')
  await until(none)
  t.equal(await repo.delete(id, signal), true)
})

test('a read-only server is migrated once it takes writes, and may be a replica before', async (t) => {
  const primary = await server(t)
  await primary.execute('SET GLOBAL read_only = 1')
  const replica = await watched(t, open(dsnOf(primary.port), { readOnly: true }))
  await replica.until(none)
  const { until } = await watched(t, open(dsnOf(primary.port)))
  await until({ database: 'the server is read-only', migrations: 'not run yet' })
  await primary.execute('SET GLOBAL read_only = 0')
  await until(none)
  t.strictSame(await emails(primary.dsn), new Set())
})

test('a killed connection of the monitor is no outage', async (t) => {
  const primary = await server(t)
  const address = await relay(t, primary.port)
  const db = open(dsnOf(address.port))
  const { seen, until } = await watched(t, db)
  await until(none)
  const before = seen.length
  const admin = await createConnection(primary.dsn)
  t.teardown(() => admin.end())
  const accepted = address.accepted()
  const [rows] = await admin.query<RowDataPacket[]>(
    "SELECT id FROM information_schema.processlist WHERE user = 'app'",
  )
  for (const { id } of rows) await admin.query(`KILL ${id}`)
  await untilTrue('a new connection', () => address.accepted() > accepted)
  t.strictSame(seen.slice(before), [], 'it asks anew before it tells')
})

/** What makes a server that has twelve connections of `app` refuse the next, by what it says then. */
const limits = {
  ER_CON_COUNT_ERROR: 'SET GLOBAL max_connections = 10',
  ER_TOO_MANY_USER_CONNECTIONS: 'SET GLOBAL max_user_connections = 10',
  ER_USER_LIMIT_REACHED: 'ALTER USER app WITH MAX_USER_CONNECTIONS 10',
}

/** Opens as many connections of the pool. */
async function connect(db: Database, count: number): Promise<void> {
  const all = Promise.withResolvers<void>()
  let open = 0
  const held = Array.from({ length: count }, () =>
    db.use(signal, () => {
      if ((open += 1) === count) all.resolve()
      return all.promise
    }),
  )
  await Promise.all(held)
}

for (const [code, limit] of Object.entries(limits))
  test(`calls go on over the open connections while new ones are refused by ${code}`, async (t) => {
    // MariaDB lets the limit be changed only where there is one.
    const primary = await server(t, ['--max-user-connections=100'])
    const address = await relay(t, primary.port)
    const db = open(dsnOf(address.port), { size: 12 })
    const { seen, until } = await watched(t, db)
    await until(none)
    await connect(db, 12)
    const admin = await createConnection(primary.dsn)
    t.teardown(() => admin.end())
    await admin.query(limit)
    const before = seen.length
    const accepted = address.accepted()
    const [[monitor]] = await admin.query<RowDataPacket[]>(
      "SELECT MIN(id) AS id FROM information_schema.processlist WHERE user = 'app'",
    )
    await admin.query(`KILL ${monitor?.id}`)
    await untilTrue('more refusals', () => address.accepted() > accepted + 5)
    const count = await openRepo(db).count(signal).catch(String)
    const told = seen.slice(before).map(({ database }) => database)
    // A busy machine may be late, which is another reason.
    if (/^no (?:answer|connection) within/.test(told[0] ?? '')) return t.comment(told)
    t.strictSame(told, [])
    t.equal(count, 0)

    const late = await watched(t, open(dsnOf(address.port)))
    await late.until({ database: code, migrations: 'not run yet' })
    await primary.end('SIGKILL')
    await untilTrue('an outage', () => db.problems().database !== '')
  })

test('a server behind a round trip of 220 ms is used', async (t) => {
  const primary = await server(t)
  const address = await relay(t, primary.port, 110)
  const db = open(dsnOf(address.port))
  const { seen, until } = await watched(t, db)
  await until(none)
  // It may have been slower for once.
  const counted = async () => openRepo(db).count(signal)
  await untilTrue('a count', async () => (await counted().catch(() => -1)) === 0)
  t.match(seen.at(-1), none)
})
