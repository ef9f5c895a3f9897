import { test, type Test } from 'tap'
import type { NewUser } from '../../src/biz/user.ts'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { openRepo, started } from './contract.ts'
import { deafServer } from './deaf-server.ts'
import { type Globals, settableServer } from './settable-server.ts'

const signal = new AbortController().signal
const open = (source: string) =>
  mysqlDatabase({ source, pool: { size: 10, maxWaiting: 1024, waitMs: 2000 } })

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
  for (const sql of asked) t.match(sql, /^SELECT @@SESSION\./, 'nothing but the check was asked')
})
