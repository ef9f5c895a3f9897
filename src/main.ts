// Alone reads argv and the environment, and alone ends the process. The rest of the service is loaded
// after telemetry has started, so that an instrumentation sees it being loaded.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import type { Logger } from 'pino'
import { type Conf, loadConf } from './conf/conf.ts'
import { createLog } from './telemetry/log/log.ts'
import { tracingSettings } from './telemetry/trace/settings.ts'
import { type RunningTracing, startTracing } from './telemetry/trace/start.ts'

// V8 puts what a line of code makes into the old space at once if it has often lived for long, as the
// last exchange of each connection does. What such an object refers to is then freed by full
// collections only, and that is the whole call.
setFlagsFromString('--no-allocation-site-pretenuring')

const usage = `usage: npm start -- [--conf PATH]
       npm run migrate -- [--conf PATH]
       npm run seed -- --users N [--conf PATH]
       npm run routes -- [--conf PATH]`
const defaultConf = new URL('../configs/config.yaml', import.meta.url)
const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string }

function readConf(path: string | undefined): Conf {
  const defaults = { text: readFileSync(defaultConf, 'utf8'), origin: 'configs/config.yaml' }
  if (path === undefined) return loadConf(defaults, process.env)
  return loadConf({ text: readFileSync(path, 'utf8'), origin: path }, process.env, defaults)
}

/** One clear line, for people and for what collects them. */
function fail(err: unknown): never {
  const because = err instanceof Error && err.cause instanceof Error ? `: ${err.cause.message}` : ''
  const message = err instanceof Error ? err.message.split('\n', 1)[0] : String(err)
  process.stderr.write(`user-service: ${message}${message?.endsWith(because) ? '' : because}\n`)
  process.exit(1)
}

async function migrate(conf: Conf): Promise<void> {
  const { openDatabase } = await import('./app/storage.ts')
  const log = await createLog(conf.log, process.stdout.isTTY, { version })
  const db = openDatabase(conf.data.database)
  try {
    const applied = await db.migrate()
    log.info({ storage: db.description, applied }, applied.length > 0 ? 'migrated' : 'up to date')
  } finally {
    await db.close()
  }
}

async function seed(conf: Conf, users: number): Promise<void> {
  if (!Number.isSafeInteger(users) || users < 1)
    throw new Error('--users must be a whole number above 0')
  const { openDatabase } = await import('./app/storage.ts')
  const { seedUsers } = await import('./data/seed.ts')
  const db = openDatabase(conf.data.database)
  const begin = performance.now()
  let told = 0
  function progress(stored: number): void {
    if (performance.now() - told < 1000 && stored < users) return
    told = performance.now()
    const seconds = (told - begin) / 1000
    process.stdout.write(
      `${stored} of ${users} users, ${Math.round(stored / seconds)} per second\n`,
    )
  }
  try {
    await db.start({ changed: () => undefined, migrated: () => undefined, rejected: fail })
    const run = Date.now().toString(36)
    const signal = new AbortController().signal
    await seedUsers(db, { users, run, now: () => new Date(), progress, signal })
  } finally {
    await db.close()
  }
}

/** Nothing is opened for it, so no database need be there. */
async function printRoutes(conf: Conf): Promise<void> {
  const log = await createLog({ ...conf.log, level: 'silent' }, false, { version })
  const { createApp } = await import('./app.ts')
  process.stdout.write(createApp({ conf, log, version }).routes())
}

async function serve(conf: Conf): Promise<void> {
  const settings = tracingSettings(conf.tracing, process.env, conf.log)
  // Tracing tells the log what it does, and is what the log asks for the trace of a line.
  let tracing: RunningTracing | undefined
  const log = await createLog(conf.log, process.stdout.isTTY, {
    version,
    ...(settings && { fields: () => tracing?.logFields() ?? {} }),
    ...(settings?.logs && { also: (line) => tracing?.logLine?.(line) }),
  })
  const identity = { service: 'user-service', version }
  if (settings) tracing = await startTracing({ settings, identity, env: process.env, log })
  const { startMetrics } = await import('./telemetry/metric/start.ts')
  const metrics = await startMetrics({ conf, identity, env: process.env, log })
  const { createApp } = await import('./app.ts')
  const app = createApp({ conf, log, tracing, metrics, version })
  stopOnSignal(app.stop, log)
  const { http, grpc } = await app.start(fail)
  const { address } = metrics
  const embedded = conf.data.database.source === ''
  log.info(
    {
      node: process.version,
      http: `${http.address}:${http.port}`,
      grpc: `${grpc.address}:${grpc.port}`,
      ...(address && { metrics: `${address.address}:${address.port}` }),
      storage: app.db.description,
      ready: app.readiness.ready(),
    },
    embedded
      ? `serving; no database is configured (DB_DSN), so users are kept in the embedded ${app.db.description}`
      : 'serving',
  )
}

/** The first signal stops in order, a second one at once. */
function stopOnSignal(stop: () => Promise<void>, log: Logger): void {
  let stopping = false
  function onSignal(signal: NodeJS.Signals): void {
    if (stopping) process.exit(1)
    stopping = true
    log.info({ signal }, 'stopping')
    stop().then(() => {
      log.info('stopped')
      process.exit(0)
    }, fail)
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      conf: { type: 'string' },
      users: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
    allowPositionals: true,
  })
  if (values.help) return void process.stdout.write(`${usage}\n`)
  const conf = readConf(values.conf)
  const [command = 'serve'] = positionals
  if (command === 'serve') await serve(conf)
  else if (command === 'migrate') await migrate(conf)
  else if (command === 'seed') await seed(conf, Number(values.users))
  else if (command === 'routes') await printRoutes(conf)
  else throw new Error(`there is no command ${command}; see --help`)
}

main().catch(fail)
