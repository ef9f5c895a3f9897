import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createConnection } from 'mysql2/promise'
import type { Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { asRoot, findServer, initialize } from '../../scripts/mariadbd.ts'
import { readMigrations } from '../../src/data/migration.ts'
import { until } from './until.ts'

/** The names of all migrations of a dialect, in their order. */
export async function migrationNames(dialect: 'mysql' | 'sqlite'): Promise<string[]> {
  return (await readMigrations(dialect)).map(({ name }) => name)
}

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

export type PrivateServer = Awaited<ReturnType<typeof privateMysqlServer>>

/**
 * A server of the test's own, with further arguments, to be stopped and started at will; needs
 * mariadbd or mysqld.
 */
export async function privateMysqlServer(t: Test, args: readonly string[] = []) {
  const program = findServer()
  if (program === undefined) throw new Error('no mariadbd or mysqld is installed')
  const dir = mkdtempSync(join(tmpdir(), 'test-mysql-'))
  const data = join(dir, 'data')
  initialize(program, data)
  const port = await freePort()
  let child: ChildProcess | undefined

  function start(): void {
    child = spawn(
      program ?? '',
      [
        '--no-defaults',
        `--datadir=${data}`,
        `--tmpdir=${dir}`,
        `--socket=${join(dir, 'socket')}`,
        `--pid-file=${join(dir, 'pid')}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        ...asRoot,
        ...args,
      ],
      { stdio: 'ignore' },
    )
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }

  t.teardown(async () => {
    await end('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  })
  start()
  const root = `mysql://root@127.0.0.1:${port}/`
  await untilAnswering(root)
  await execute(root, 'CREATE DATABASE IF NOT EXISTS service')
  return {
    dsn: `${root}service`,
    port,
    execute: (sql: string) => execute(root, sql),
    start,
    end,
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
  }
}

async function untilAnswering(dsn: string): Promise<void> {
  const answers = () =>
    execute(dsn, 'SELECT 1').then(
      () => true,
      () => false,
    )
  await until('the database server to answer', answers)
}
