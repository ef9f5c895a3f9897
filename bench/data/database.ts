import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { testDatabase } from '../../scripts/mariadb.ts'

/** A MariaDB of the bench's own, durable as in production, on one core. */
export async function benchDatabase(core: number) {
  const server = await testDatabase()
  const admin = await createConnection(server.dsn)
  await admin.query('SET GLOBAL innodb_flush_log_at_trx_commit = 1')
  const [[row]] = await admin.query<RowDataPacket[]>('SELECT @@pid_file AS file')
  const pid = Number(readFileSync(String(row?.file), 'utf8'))
  execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' })
  return {
    pid,
    /** The DSN of a new, empty database. */
    async empty(name: string): Promise<string> {
      await admin.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`)
      const dsn = new URL(server.dsn)
      dsn.pathname = `/${name}`
      return dsn.href
    },
    async close(): Promise<void> {
      await admin.end()
      await server[Symbol.asyncDispose]()
    },
  }
}
