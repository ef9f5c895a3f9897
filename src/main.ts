// Alone reads argv and the environment, and alone ends the process.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Logger } from 'pino'
import { failure } from './command/fail.ts'
import { type Conf, loadConf } from './conf/conf.ts'
import { setMemoryFlags } from './memory/flags.ts'
import { createLog, type LogContext } from './telemetry/log/log.ts'

setMemoryFlags()

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

function fail(err: unknown): never {
  process.stderr.write(failure(err))
  process.exit(1)
}

/** The first signal stops in order, a second one at once. */
function stopOnSignal({ stop, log }: { stop: () => Promise<void>; log: Logger }): void {
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

/** A command's files are loaded when it is called. */
const commands: Record<string, (conf: Conf, users: number) => Promise<unknown>> = {
  async serve(conf) {
    const { run } = await import('./command/serve.ts')
    const log = (context: LogContext) => createLog(conf.log, process.stdout.isTTY, context)
    await run(conf, { version, env: process.env, log, created: stopOnSignal, rejected: fail })
  },
  async migrate(conf) {
    const { migrate } = await import('./command/migrate.ts')
    // Its one line is what the command is for, whatever a service is to log.
    const settings = { ...conf.log, level: 'info' }
    await migrate(conf, await createLog(settings, process.stdout.isTTY, { version }))
  },
  async seed(conf, users) {
    const { seed } = await import('./command/seed.ts')
    await seed(conf, users, (text) => process.stdout.write(text))
  },
  async routes(conf) {
    const { routes } = await import('./command/routes.ts')
    const silent = await createLog({ ...conf.log, level: 'silent' }, false, { version })
    process.stdout.write(routes(conf, silent))
  },
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
  const [name = 'serve'] = positionals
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw new Error(`there is no command ${name}; see --help`)
  await command(conf, Number(values.users))
}

main().catch(fail)
