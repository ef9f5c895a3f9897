import { createConnection } from 'mysql2/promise'
import { test, type Test } from 'tap'
import type { NewUser } from '../../src/biz/user.ts'
import { connectionOptions } from '../../src/data/mysql/connection-options.ts'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { parseMysqlDsn } from '../../src/data/mysql/dsn.ts'
import { query } from '../../src/data/mysql/execute.ts'
import { connectionPool } from '../../src/data/mysql/pool/pool.ts'
import { started } from '../help/started.ts'
import { openRepo, repoContract } from './contract.ts'
import { deafServer } from './deaf-server.ts'
import { type Globals, settableServer } from './settable-server.ts'

const signal = new AbortController().signal
const open = (source: string) =>
  mysqlDatabase({ source, pool: { size: 10, maxWaiting: 1024, waitMs: 30_000 } })

const charset = (name: string): Globals => ({
  character_set_client: name,
  character_set_results: name,
  collation_connection: `${name}_bin`,
})

/** What servers may have their sessions begin with, each by itself. */
const settings: Globals[] = [
  {},
  ...['gbk', 'latin1', 'sjis', 'big5'].map((name) => ({ init_connect: `'SET NAMES ${name}'` })),
  ...['gbk', 'latin1', 'sjis', 'big5'].map(charset),
  { autocommit: 0 },
  { autocommit: 0, completion_type: "'CHAIN'" },
  { completion_type: "'CHAIN'" },
  { completion_type: "'RELEASE'" },
  { init_connect: "'SET autocommit = 0, completion_type = 1, time_zone = \\'-11:00\\''" },
  { time_zone: "'+05:30'" },
  { sql_select_limit: 1 },
  ...[
    'NO_AUTO_VALUE_ON_ZERO',
    'ORACLE',
    'ANSI_QUOTES',
    'NO_BACKSLASH_ESCAPES',
    'PAD_CHAR_TO_FULL_LENGTH',
    '',
  ].map((mode) => ({ sql_mode: `'${mode}'` })),
  { lc_messages: "'hu_HU'" },
]

// In GBK, the last byte of the first character takes a backslash that is put before the quote with it.
const names = [
  `\u7e17',(select current_user()),0x30,now())-- -`,
  `\u00bf' OR 1=1 -- `,
  'Zoë 😀 \u{10ffff} ß 李小龙',
  `it's "quoted" \\' \\" \\ \` ;--\n\u0000\u001a`,
]

function newUser(name: string, at: number): NewUser {
  const email = `${at}@example.org`
  return { name, email, phone: `'\\${at}`, createdAt: new Date(1_700_000_000_123 + at) }
}

const utf8Hex = (text: string) => Buffer.from(text).toString('hex').toUpperCase()

test('users are stored as sent, whatever the server has sessions begin with', async (t) => {
  const server = await settableServer(t, [
    '--skip-character-set-client-handshake',
    '--character-set-server=gbk',
  ])
  for (const globals of settings)
    await t.test(JSON.stringify(globals), async (t) => {
      const dsn = await server.database(t, globals)
      await storesUsers(t, dsn, server.read)
    })
})

/** Creates, changes, lists and deletes users, and compares what is stored with what was sent. */
async function storesUsers(
  t: Test,
  dsn: string,
  read: Awaited<ReturnType<typeof settableServer>>['read'],
): Promise<void> {
  const db = await started(open(dsn))
  t.teardown(() => db.close())
  const repo = openRepo(db)
  const sent = names.map(newUser)
  const users = []
  for (const user of sent) users.push({ id: await repo.insert(user, signal), ...user })
  t.strictSame(await repo.list({ after: 0n, limit: 9 }, signal), users)
  t.strictSame(await repo.list({ offset: 1, limit: 2 }, signal), users.slice(1, 3))
  const [first, second] = users
  if (first === undefined || second === undefined) throw new Error('there are no users')
  const changes = { name: second.name, phone: '' }
  t.strictSame(await repo.update(first.id, changes, signal), { ...first, ...changes })
  const taken = repo.update(first.id, { email: second.email }, signal)
  t.match(await t.rejects(taken), { reason: 'USER_ALREADY_EXISTS' })
  t.equal(await repo.delete(second.id, signal), true)
  const left = [{ ...first, ...changes }, ...users.slice(2)]
  t.strictSame(
    await read(
      `SELECT HEX(name) name, email, HEX(phone) phone, CAST(created_at AS CHAR) created FROM ${new URL(dsn).pathname.slice(1)}.users ORDER BY id`,
    ),
    left.map(({ name, email, phone, createdAt }) => ({
      name: utf8Hex(name),
      email,
      phone: utf8Hex(phone),
      created: createdAt.toISOString().replace('T', ' ').replace('Z', ''),
    })),
  )
}

/** All at once, and what no row above shows. */
const everything: Globals = {
  ...charset('gbk'),
  init_connect: "'SET NAMES sjis, autocommit = 0'",
  autocommit: 0,
  completion_type: "'CHAIN'",
  time_zone: "'+05:30'",
  sql_select_limit: 1,
  sql_mode: "'ORACLE,NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH'",
  lc_messages: "'ja_JP'",
  innodb_lock_wait_timeout: 3600,
}

/** As a session has them; isolation is called by the first name on MariaDB and by the second on MySQL. */
const variables: Record<string, string> = {
  tx_isolation: 'REPEATABLE-READ',
  transaction_isolation: 'REPEATABLE-READ',
  character_set_client: 'utf8mb4',
  character_set_results: 'utf8mb4',
  collation_connection: 'utf8mb4_bin',
  autocommit: 'ON',
  completion_type: 'NO_CHAIN',
  lc_messages: 'en_US',
  sql_mode:
    'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
  time_zone: '+00:00',
  sql_select_limit: '18446744073709551615',
  innodb_lock_wait_timeout: '2',
}

test('a session is set up before the first statement, also of many connections at once', async (t) => {
  const server = await settableServer(t)
  const dsn = await server.database(t, everything)
  await server.execute('SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE')
  const options = connectionOptions(parseMysqlDsn(dsn))
  const pool = connectionPool(options, { size: 5, maxWaiting: 5, waitMs: 5000 })
  t.teardown(() => pool.close())
  const names = Object.keys(variables)
    .map((name) => `'${name}'`)
    .join(', ')
  const shown = `SHOW SESSION VARIABLES WHERE Variable_name IN (${names})`
  for (let round = 0; round < 2; round += 1) {
    const uses = Array.from({ length: 10 }, () =>
      pool.use(signal, (connection) => query(connection, shown)),
    )
    for (const rows of await Promise.all(uses)) {
      t.ok(rows.length >= 10)
      for (const { Variable_name: name, Value: value } of rows)
        t.equal(value, variables[name], name)
    }
  }
})

test('the contract of storage holds, whatever a server has sessions begin with', async (t) => {
  const server = await settableServer(t)
  const suites: [title: string, run: Parameters<Parameters<typeof repoContract>[0]>[1]][] = []
  repoContract((title, run) => suites.push([title, run]))
  for (const [title, run] of suites)
    await t.test(title, async (t) => {
      const dsn = await server.database(t, everything)
      const db = await started(open(dsn))
      t.teardown(() => db.close())
      const execute = (sql: string) => executeOn(dsn, sql)
      const nextId = (id: bigint) => execute(`ALTER TABLE users AUTO_INCREMENT = ${id}`)
      await run(t, { open: () => open(dsn), nextId, execute }, openRepo(db))
    })
})

async function executeOn(dsn: string, sql: string): Promise<void> {
  const connection = await createConnection(dsn)
  await connection.query(sql)
  await connection.end()
}

test('a connection whose session cannot be set up is not used, and the reason is told', async (t) => {
  const { dsn, asked } = await deafServer(t, 'gbk')
  const db = open(dsn)
  t.teardown(() => db.close())
  await db.start({
    changed: () => undefined,
    migrated: () => t.fail('it has migrated'),
    rejected: (err) => t.fail(err),
  })
  t.match(db.problems().migrations, /session could not be set up: .*character_set_client=gbk/)
  t.match(await t.rejects(db.migrate()), { kind: 'unavailable', reason: 'DATABASE_UNAVAILABLE' })
  for (const sql of asked)
    t.match(sql, /^SELECT @@(?:SESSION|GLOBAL)\./, 'nothing but the check was asked')
})
