import { readFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { DatabaseSync } from 'node:sqlite'
import { createConnection as createCoreConnection } from 'mysql2'
import { createConnection } from 'mysql2/promise'
import { type Test, test } from 'tap'
import type { Database } from '../../src/data/database.ts'
import { type Migration, readMigrations } from '../../src/data/migration.ts'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { migrateMysql } from '../../src/data/mysql/migrate.ts'
import { sqliteDatabase } from '../../src/data/sqlite/database.ts'
import { freshMysqlDatabase, freshSqlitePath, migrationNames } from '../help/db.ts'

interface Journal {
  entries: { idx: number; tag: string }[]
}

test('the migrations of either dialect are those of its journal, in that order', async (t) => {
  for (const dialect of ['mysql', 'sqlite'] as const) {
    const file = new URL(`../../migrations/${dialect}/meta/_journal.json`, import.meta.url)
    const journal: Journal = JSON.parse(readFileSync(file, 'utf8'))
    const migrations = await readMigrations(dialect)
    t.strictSame(
      migrations.map(({ name }) => name),
      journal.entries.sort((a, b) => a.idx - b.idx).map(({ tag }) => tag),
    )
    for (const { name, statements } of migrations)
      for (const statement of statements) t.match(statement, /\S/, name)
  }
})

test('migrations are read in the order of their names, whatever that of the folder', async (t) => {
  const files = ['0010_c.sql', 'meta', '0002_b.sql', '0001_a.sql', 'README.md']
  // Which order a folder has is the file system's choice.
  const readdir = t.intercept(fs, 'readdir', { value: async () => files })
  const readFile = t.intercept(fs, 'readFile', {
    value: async (url: URL) => `${url.pathname.slice(-6)} 1--> statement-breakpoint\n2`,
  })
  syncBuiltinESMExports()
  const read = await readMigrations('mysql')
  readdir.restore()
  readFile.restore()
  syncBuiltinESMExports()
  t.strictSame(read, [
    { name: '0001_a', statements: ['_a.sql 1', '\n2'] },
    { name: '0002_b', statements: ['_b.sql 1', '\n2'] },
    { name: '0010_c', statements: ['_c.sql 1', '\n2'] },
  ])
})

const inTheWay = 'CREATE TABLE users (id int)'
const outOfTheWay = 'DROP TABLE users'

async function rejectedThenApplied(t: Test, db: Database, execute: (sql: string) => Promise<void>) {
  t.teardown(() => db.close())
  await execute(inTheWay)
  await t.rejects(db.migrate(), {
    name: 'MigrationError',
    message: /0000_users was rejected: .*users/,
  })
  await execute(outOfTheWay)
  // The names of both dialects are equal.
  t.strictSame(await db.migrate(), await migrationNames('sqlite'))
  t.strictSame(await db.migrate(), [])
}

const openMysql = (source: string) =>
  mysqlDatabase({ source, pool: { size: 1, maxWaiting: 1, waitMs: 1000 } })

test('a migration that MySQL rejects is named, and is applied once it can be', async (t) => {
  const source = await freshMysqlDatabase(t)
  const db = openMysql(source)
  await rejectedThenApplied(t, db, async (sql) => {
    const connection = await createConnection(source)
    await connection.query(sql)
    await connection.end()
  })
})

test('a user who may not change tables starts on MySQL once all is applied, and only then', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const owner = await createConnection(dsn)
  t.teardown(() => owner.end())
  const name = `reader${Date.now().toString(36)}`
  await owner.query(`CREATE USER '${name}'@'%' IDENTIFIED BY 'pw'`)
  t.teardown(() => owner.query(`DROP USER '${name}'@'%'`))
  const url = new URL(dsn)
  const database = url.pathname.slice(1)
  await owner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${database}.* TO '${name}'@'%'`)
  Object.assign(url, { username: name, password: 'pw' })
  const limited = openMysql(url.href)
  const whole = openMysql(dsn)
  t.teardown(() => Promise.all([limited.close(), whole.close()]))
  t.match(await t.rejects(limited.migrate()), { message: /schema_migrations was rejected: CREATE/ })
  t.strictSame(await whole.migrate(), await migrationNames('mysql'))
  t.strictSame(await limited.migrate(), [])
})

test('a migration that SQLite rejects is named, and is applied once it can be', async (t) => {
  const path = freshSqlitePath(t)
  await rejectedThenApplied(t, sqliteDatabase(path), async (sql) => {
    using connection = new DatabaseSync(path)
    connection.exec(sql)
  })
})

function table(name: string): Migration {
  return { name, statements: [`CREATE TABLE ${name} (id int)`] }
}

test('a rejected migration stops those after it, and keeps those before it', async (t) => {
  const connection = createCoreConnection(await freshMysqlDatabase(t))
  t.teardown(() => connection.destroy())
  const broken = { name: 'b', statements: ['CREATE TABLE'] }
  await t.rejects(migrateMysql(connection, [table('a'), broken, table('c')]), {
    name: 'MigrationError',
    message: /^migration b was rejected: /,
  })
  t.strictSame(await migrateMysql(connection, [table('a'), table('b'), table('c')]), ['b', 'c'])
})

test('a migration whose process ended in the middle is finished by the next', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const connect = () => {
    const connection = createCoreConnection(dsn)
    t.teardown(() => connection.destroy())
    return connection.on('error', () => undefined)
  }
  const first = ['CREATE TABLE a (id int)', 'ALTER TABLE a ADD COLUMN b int, ADD INDEX by_b (b)']
  const all = [{ name: 'a', statements: [...first, 'CREATE TABLE c (id int)'] }]
  const cutOff = [{ name: 'a', statements: [...first, 'KILL CONNECTION_ID()'] }]
  await migrateMysql(connect(), [table('z')])
  const error = await migrateMysql(connect(), cutOff).catch((err: unknown) => err)
  t.ok(error instanceof Error && error.name !== 'MigrationError', String(error))
  t.strictSame(await migrateMysql(connect(), all), ['a'])
  t.strictSame(await migrateMysql(connect(), all), [])
  const connection = await createConnection(dsn)
  t.teardown(() => connection.end())
  const [rows] = await connection.query('SELECT name FROM schema_migrations ORDER BY name')
  t.match(rows, [{ name: 'a' }, { name: 'z' }])
  await connection.query('SELECT id, b FROM a')
  await connection.query('SELECT id FROM c')
})
