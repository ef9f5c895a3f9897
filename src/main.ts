// Alone reads argv and the environment, and alone ends the process.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createApp, openDatabase } from './app.ts'
import { type Conf, loadConf } from './conf/conf.ts'
import { createLog } from './log.ts'

const usage = `usage: npm start -- [--conf PATH]
       npm run migrate -- [--conf PATH]`
const defaultConf = new URL('../configs/config.yaml', import.meta.url)
const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string }

function readConf(path: string | undefined): Conf {
  const defaults = { text: readFileSync(defaultConf, 'utf8'), origin: 'configs/config.yaml' }
  if (path === undefined) return loadConf(defaults, process.env)
  return loadConf({ text: readFileSync(path, 'utf8'), origin: path }, process.env, defaults)
}

async function migrate(conf: Conf): Promise<void> {
  const log = createLog(conf.log, process.stdout.isTTY)
  const db = openDatabase(conf.data.database)
  try {
    const applied = await db.migrate()
    log.info({ storage: db.description, applied }, applied.length > 0 ? 'migrated' : 'up to date')
  } finally {
    await db.close()
  }
}

async function serve(conf: Conf): Promise<void> {
  const log = createLog(conf.log, process.stdout.isTTY)
  const app = createApp({ conf, log })
  const applied = await app.db.migrate()
  const { http, grpc } = await app.listen()
  log.info(
    {
      version,
      node: process.version,
      http: `${http.address}:${http.port}`,
      grpc: `${grpc.address}:${grpc.port}`,
      storage: app.db.description,
      migrations: applied,
    },
    conf.data.database.source === ''
      ? `serving; no database is configured (DB_DSN), so users are kept in the embedded ${app.db.description}`
      : 'serving',
  )
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping')
      void app.close().then(() => log.info('stopped'))
    })
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { conf: { type: 'string' } },
    allowPositionals: true,
  })
  const conf = readConf(values.conf)
  const [command = 'serve'] = positionals
  if (command === 'serve') await serve(conf)
  else if (command === 'migrate') await migrate(conf)
  else throw new Error(`there is no command ${command}\n${usage}`)
}

main().catch((err: unknown) => {
  process.stderr.write(`user-service: ${err instanceof Error ? err.message : String(err)}\n`)
  process.exit(1)
})
