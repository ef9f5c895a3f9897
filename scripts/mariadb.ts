// A private MySQL or MariaDB server for one test run: its own data, port and socket, nothing
// installed or shared.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { createConnection } from 'mysql2/promise'

import { freePort } from './free-port.ts'
import { asRoot, findServer, initialize, installServer } from './mariadbd.ts'

/** A server by the DSN of its administrator. */
type Database = { dsn: string; [Symbol.asyncDispose]: () => Promise<void> }

/** One that was started here. */
type LocalDatabase = Database & { pid: number }

const startTimeoutMs = 60_000

/** Without waiting for the disk, since the data do not outlive the run. */
const forgetful = ['--innodb-flush-log-at-trx-commit=0', '--innodb-doublewrite=OFF']
const durable = [
  '--innodb-flush-log-at-trx-commit=1',
  '--innodb-buffer-pool-size=1G',
  '--innodb-log-file-size=512M',
  '--max-connections=500',
  '--skip-name-resolve',
]

/**
 * The database server for tests: the one in TEST_MYSQL_DSN, else a new one, which disposal stops
 * and removes. Installs MariaDB with apt-get if there is none. Throws if that is impossible.
 */
export async function testDatabase(): Promise<Database> {
  const given = process.env.TEST_MYSQL_DSN
  if (given) return { dsn: given, [Symbol.asyncDispose]: async () => {} }
  return startServer(program(', or set TEST_MYSQL_DSN=mysql://user@host:port/'), forgetful)
}

/**
 * A new database server that writes each transaction to the disk before it answers, as in production,
 * with the id of its process; disposal stops and removes it. TEST_MYSQL_DSN is not looked at.
 */
export async function durableDatabase(): Promise<LocalDatabase> {
  return startServer(program(''), durable)
}

function program(orElse: string): string {
  const server = findServer() ?? installServer()
  if (server !== undefined) return server
  throw new Error(
    `no MySQL or MariaDB server found: install mariadb-server (or mysql-server)${orElse}`,
  )
}

/** Tries up to three ports, since another run may take a port between its choice and the start. */
async function startServer(server: string, storage: string[]): Promise<LocalDatabase> {
  for (let attempt = 1; ; attempt++) {
    const dir = mkdtempSync(join(tmpdir(), 'test-db-'))
    try {
      return await startIn(dir, server, storage)
    } catch (err) {
      rmSync(dir, { recursive: true, force: true })
      if (attempt === 3 || !/address already in use/i.test(String(err))) throw err
    }
  }
}

async function startIn(dir: string, server: string, storage: string[]): Promise<LocalDatabase> {
  const data = join(dir, 'data')
  initialize(server, data)
  const port = await freePort()
  const logFile = join(dir, 'log')
  const log = openSync(logFile, 'w')
  // Its own process group: Ctrl-C stops the tests first, then the server.
  const child = spawn(server, [...serverArgs(dir, data), ...storage, `--port=${port}`], {
    stdio: ['ignore', log, log],
    detached: true,
  })
  const stop = async () => {
    await kill(child)
    rmSync(dir, { recursive: true, force: true })
  }
  try {
    const dsn = `mysql://root@127.0.0.1:${port}/`
    await acceptsLogin(dsn, child)
    return { dsn, pid: child.pid ?? 0, [Symbol.asyncDispose]: stop }
  } catch (err) {
    const tail = readFileSync(logFile, 'utf8').split('\n').slice(-40).join('\n')
    await stop()
    throw new Error(`${server} did not start: ${String(err)}\n${tail}`, { cause: err })
  }
}

function serverArgs(dir: string, data: string): string[] {
  return [
    '--no-defaults',
    `--datadir=${data}`,
    `--tmpdir=${dir}`,
    `--socket=${join(dir, 'sock')}`,
    `--pid-file=${join(dir, 'pid')}`,
    '--bind-address=127.0.0.1',
    // The default folder of MySQL exists only where its package is installed.
    '--loose-secure-file-priv=',
    '--skip-log-bin',
    '--loose-mysqlx=OFF',
    ...asRoot,
  ]
}

async function acceptsLogin(dsn: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + startTimeoutMs
  let failure: unknown
  child.once('error', (err) => (failure = err))
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      throw new Error(`it ended (${child.exitCode ?? child.signalCode ?? String(failure)})`)
    }
    try {
      const connection = await createConnection(dsn)
      await connection.end()
      return
    } catch (err) {
      failure = err
      await sleep(100)
    }
  }
  throw new Error(`no login within ${startTimeoutMs / 1000} s`, { cause: failure })
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
