import { readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import pino from 'pino'
import type { Test } from 'tap'
import { createApp, type AppOptions } from '../../src/app.ts'
import { loadConf } from '../../src/conf/conf.ts'
import { freshMysqlDatabase, freshSqlitePath } from './db.ts'

export type Storage = 'sqlite' | 'mysql'

export interface StartOptions extends Pick<AppOptions, 'now'> {
  storage: Storage
  /** Settings by their variables, beside addresses and database. */
  env?: Record<string, string>
  maxBodyBytes?: number
  maxHeaderBytes?: number
  /** 0, too: every call is one too many. */
  maxConcurrentCalls?: number
}

/** A log line as a reader of the log finds it. */
export type LogLine = Record<string, unknown> & { msg: string; level: string }

export type RunningApp = Awaited<ReturnType<typeof startApp>>

const confFile = new URL('../../configs/config.yaml', import.meta.url)

/** The whole service on two free ports and an empty, migrated database; closed when the test ends. */
export async function startApp(t: Test, { storage, now, env: given, ...limits }: StartOptions) {
  const database = storage === 'mysql' ? await freshMysqlDatabase(t) : freshSqlitePath(t)
  const env = {
    HTTP_ADDR: '127.0.0.1:0',
    GRPC_ADDR: '127.0.0.1:0',
    [storage === 'mysql' ? 'DB_DSN' : 'SQLITE_PATH']: database,
    ...given,
  }
  const scheme = given?.TLS_CERT_FILE === undefined ? 'http' : 'https'
  const file = { text: readFileSync(confFile, 'utf8'), origin: 'configs/config.yaml' }
  const conf = loadConf(file, env)
  Object.assign(conf.server.limits, limits)
  const lines: string[] = []
  const log = pino(
    { formatters: { level: (label) => ({ level: label }) } },
    new Writable({
      write(chunk: Buffer, _encoding, written) {
        lines.push(chunk.toString())
        written()
      },
    }),
  )
  const app = createApp({ conf, log, ...(now && { now }) })
  t.teardown(() => app.stop())
  const { http, grpc } = await app.start((err) => t.fail(err))
  return {
    db: app.db,
    /** The DSN, or the path of the SQLite file. */
    database,
    close: () => app.stop(),
    rest: { port: http.port, url: `${scheme}://127.0.0.1:${http.port}` },
    rpc: { port: grpc.port, url: `${scheme}://127.0.0.1:${grpc.port}` },
    /** Everything logged so far. */
    log: (): LogLine[] => lines.map((line) => JSON.parse(line) as LogLine),
  }
}
