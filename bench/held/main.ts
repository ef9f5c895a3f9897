// What a create holds while it waits for the database: `node bench/held/main.ts [FOLDER…]`, where each
// FOLDER is a checkout to look at (this one). By two heap snapshots of V8, of 64 connections without a
// call and with one each, on MariaDB, whose tables are locked meanwhile.
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection } from 'mysql2/promise'
import { durableDatabase } from '../../scripts/mariadb.ts'
import { emptyDatabase } from '../measure/empty-database.ts'
import { seed } from '../measure/seed.ts'
import { start } from '../peers/running.ts'
import { ours, type Server } from '../peers/servers.ts'
import { more, objectsOf } from './snapshot.ts'

const callers = 64
const warmUp = 200
const project = join(import.meta.dirname, '../..')
const folders = process.argv.slice(2).map((folder) => resolve(folder))

let created = 0

async function create(agent: Agent, port: number): Promise<void> {
  created += 1
  const headers = { 'content-type': 'application/json' }
  const call = request({ agent, port, path: '/v1/users', method: 'POST', headers })
  call.end(JSON.stringify({ name: 'Ann', email: `ann${created}@example.com`, phone: '+1 2' }))
  const [answer] = (await once(call, 'response')) as [NodeJS.ReadableStream]
  await once(answer.resume(), 'end')
}

async function snapshotBy(pid: number, dir: string): Promise<ReturnType<typeof objectsOf>> {
  const before = readdirSync(dir).length
  process.kill(pid, 'SIGUSR2')
  while (readdirSync(dir).length === before) await sleep(100)
  // The file is there when it is begun.
  await sleep(5000)
  const file = readdirSync(dir).toSorted().at(-1) ?? ''
  return objectsOf(join(dir, file))
}

function watched(folder: string, dsn: string, dir: string): Server {
  const settings = { TIMEOUT: '60s', DB_POOL_WAIT: '60s' }
  const server = ours('ours', folder, { dsn, collector: '' }, settings)()
  if (server === undefined) throw new Error(`nothing to start in ${folder}`)
  const [node = '', ...args] = server.command
  const flags = ['--heapsnapshot-signal=SIGUSR2', `--diagnostic-dir=${dir}`]
  return { ...server, command: [node, ...flags, ...args] }
}

async function held(folder: string, dsn: string, logs: string): Promise<void> {
  const dir = mkdtempSync(join(logs, 'snapshots-'))
  await using service = await start(watched(folder, dsn, dir), undefined, logs)
  const agent = new Agent({ keepAlive: true, maxSockets: callers })
  const database = await createConnection(dsn)
  const creates = () =>
    Promise.all(Array.from({ length: callers }, () => create(agent, service.ports.rest)))
  try {
    for (let round = 0; round < warmUp; round += 1) await creates()
    const idle = await snapshotBy(service.pid, dir)
    await database.query('LOCK TABLES users WRITE, user_changes WRITE')
    const waiting = creates()
    await sleep(2000)
    const busy = await snapshotBy(service.pid, dir)
    await database.query('UNLOCK TABLES')
    await waiting
    report(folder, more(idle, busy))
  } finally {
    agent.destroy()
    await database.end()
  }
}

function report(folder: string, kinds: ReturnType<typeof more>): void {
  const total = kinds.reduce((sum, { bytes }) => sum + bytes, 0)
  console.log(`${folder}: ${Math.round(total / callers)} bytes a call`)
  for (const { title, count, bytes } of kinds.slice(0, 25))
    console.log(
      `${(bytes / callers).toFixed(0).padStart(6)} ${(count / callers).toFixed(1).padStart(6)} ${title}`,
    )
}

const logs = mkdtempSync(join(tmpdir(), 'held-'))
const server = await durableDatabase()
try {
  for (const [index, folder] of (folders.length > 0 ? folders : [project]).entries()) {
    const dsn = await emptyDatabase(server.dsn, `held_${index}`)
    await seed(folder, { DB_DSN: dsn }, 10)
    await held(folder, dsn, logs)
  }
} finally {
  await server[Symbol.asyncDispose]()
  rmSync(logs, { recursive: true })
}
