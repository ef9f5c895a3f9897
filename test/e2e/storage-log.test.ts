import { createInterface } from 'node:readline'
import { on } from 'node:events'
import tap, { test, type Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import {
  freshMysqlDatabase,
  freshSqlitePath,
  type PrivateServer,
  privateMysqlServer,
  migrationNames,
} from '../help/db.ts'
import { spawnService, startProcess } from '../help/process.ts'

type Line = Record<string, unknown>

const ports = { HTTP_ADDR: '127.0.0.1:0', GRPC_ADDR: '127.0.0.1:0', METRICS_ADDR: '127.0.0.1:0' }

let own: Promise<PrivateServer> | undefined

/** The server of this file, whose database is empty. */
const ownServer = () => (own ??= privateMysqlServer(tap))

/** Starts the service and gives its lines one after the other. */
function linesOf(t: Test, env: Record<string, string>): AsyncIterator<[string]> {
  const { child } = spawnService(t, { ...ports, ...env })
  return on(createInterface({ input: child.stdout ?? process.stdin }), 'line') as never
}

async function nextLine(lines: AsyncIterator<[string]>): Promise<Line> {
  const { value } = await lines.next()
  return JSON.parse(value[0]) as Line
}

test('a database that cannot be used is told with its reason, its place and no password', async (t) => {
  const server = await ownServer()
  await server.execute("CREATE USER app@'127.0.0.1' IDENTIFIED BY 'right'")
  const place = `127.0.0.1:${server.port}`
  const closed = await freePort()
  const cases: [dsn: string, storage: string, cause: RegExp][] = [
    [`app:secret@tcp(${place})/users`, `MySQL ${place}/users`, /Access denied for user 'app'/],
    [`root@tcp(${place})/none`, `MySQL ${place}/none`, /Unknown database 'none'/],
    [
      `app:secret@tcp(127.0.0.1:${closed})/users`,
      `MySQL 127.0.0.1:${closed}/users`,
      /ECONNREFUSED/,
    ],
    [`app:secret@tcp(no.invalid)/users`, 'MySQL no.invalid:3306/users', /no\.invalid/],
  ]
  for (const [dsn, storage, cause] of cases)
    await t.test(storage, async (t) => {
      const line = await nextLine(linesOf(t, { DB_DSN: dsn, LOG_LEVEL: 'warn' }))
      t.match(line, { level: 'warn', storage })
      t.match(line.msg, /^the database cannot be used, trying again: /)
      t.match(line.msg, cause)
      t.notMatch(JSON.stringify(line), 'secret')
    })
})

test('a start without the database says so, and a line says when it can be used', async (t) => {
  const server = await ownServer()
  await server.end('SIGTERM')
  const lines = linesOf(t, { DB_DSN: server.dsn })
  t.match(await nextLine(lines), { level: 'warn', database: 'ECONNREFUSED' })
  t.match(await nextLine(lines), {
    level: 'info',
    ready: false,
    msg: 'serving, not ready: database: ECONNREFUSED, migrations: not run yet',
  })
  server.start()
  const seen: Line[] = []
  // While it starts it may be silent, too.
  while (seen.at(-1)?.level !== 'info') seen.push(await nextLine(lines))
  t.match(seen.at(-1), {
    msg: 'migrated',
    applied: await migrationNames('mysql'),
  })
  t.match(await nextLine(lines), { level: 'info', msg: 'the database can be used again' })
})

test('a healthy start with an up to date schema has no line but that it serves', async (t) => {
  for (const storage of [
    { DB_DSN: await freshMysqlDatabase(t) },
    { SQLITE_PATH: freshSqlitePath(t) },
  ]) {
    const first = await startProcess(t, storage)
    first.kill('SIGTERM')
    await first.exit
    const second = await startProcess(t, storage)
    second.kill('SIGTERM')
    await second.exit
    const said = second.lines.map(({ msg }) => String(msg)).filter((msg) => msg !== 'request')
    t.match(said, [/^serving/, 'stopping', 'stopped'])
    t.equal(said.length, 3)
  }
})

test('migrate writes one line, whatever is logged otherwise', async (t) => {
  const env = { DB_DSN: await freshMysqlDatabase(t), LOG_LEVEL: 'error' }
  for (const [msg, applied] of [
    ['migrated', await migrationNames('mysql')],
    ['up to date', []],
  ]) {
    const { child, exit } = spawnService(t, env, ['migrate'])
    let written = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (written += text))
    t.equal(await exit, 0)
    const lines = written.trimEnd().split('\n')
    t.equal(lines.length, 1)
    t.match(JSON.parse(lines[0] ?? ''), { msg, applied })
  }
})
