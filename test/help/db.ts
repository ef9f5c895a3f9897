import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createConnection } from 'mysql2/promise'
import type { Test } from 'tap'

/** The DSN of an empty database on the test server, dropped when the test ends. */
export async function freshMysqlDatabase(t: Test): Promise<string> {
  const server = process.env.TEST_MYSQL_DSN
  if (!server) {
    throw new Error(
      'TEST_MYSQL_DSN is not set: run through `npm test`, or `node scripts/test.ts FILE`',
    )
  }
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await execute(server, `CREATE DATABASE ${name} CHARACTER SET utf8mb4`)
  t.teardown(() => execute(server, `DROP DATABASE ${name}`))
  const dsn = new URL(server)
  dsn.pathname = `/${name}`
  return dsn.href
}

async function execute(dsn: string, sql: string): Promise<void> {
  const connection = await createConnection(dsn)
  try {
    await connection.query(sql)
  } finally {
    await connection.end()
  }
}

/** The path of a SQLite file that does not exist yet; removed with its journal when the test ends. */
export function freshSqlitePath(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'test-sqlite-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'test.db')
}
