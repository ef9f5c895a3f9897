import { test } from 'tap'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { startApp } from '../help/app.ts'
import { freshMysqlDatabase } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { started } from '../help/started.ts'
import { allTold, watcher, write } from './watched.ts'

test('watchers on two processes, one of which is killed, are told all that is committed', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const env = { DB_DSN: dsn, TIMEOUT: '30s', DB_POOL_WAIT: '10s', WATCH_POLL: '0.05s' }
  const [first, second] = [await startProcess(t, env), await startProcess(t, env)]
  // The writers are a third process to the watchers.
  const pool = { size: 10, maxWaiting: 100, waitMs: 30_000 }
  const db = await started(mysqlDatabase({ source: dsn, pool }))
  t.teardown(() => db.close())
  let isKilled = false
  const places = [() => (isKilled ? second.rpc : first.rpc), () => second.rpc]
  const watchers = [0, 1, 2, 3].map((at) => watcher(t, places[at % 2] ?? (() => ''), at >> 1))
  await Promise.all(watchers.map(({ begun }) => begun))
  await write(db, () => {
    isKilled = true
    first.kill('SIGKILL')
  })
  await allTold(t, db, watchers)
  t.ok(watchers[0]?.resumed() && watchers[2]?.resumed(), 'two went on elsewhere')
})

test('watchers of one process on SQLite are told all that is committed', async (t) => {
  const app = await startApp(t, { storage: 'sqlite', env: { WATCH_POLL: '0.05s' } })
  const watchers = [0, 1, 2, 3].map((at) => watcher(t, () => app.rpc.url, at))
  await Promise.all(watchers.map(({ begun }) => begun))
  await write(app.db, () => undefined)
  await allTold(t, app.db, watchers)
})
