// Alone reads argv and the environment, and alone ends the process.
import { readFileSync } from 'node:fs'
import { checkSettings } from './app/settings/check.ts'
import { whyUnreadable } from './app/settings/file.ts'
import { readArguments, usage } from './command/arguments.ts'
import { failure } from './command/fail.ts'
import type { RunOptions } from './command/serve.ts'
import { onSignals } from './command/signals.ts'
import { type Conf, readConf } from './conf/conf.ts'
import { SettingError } from './conf/error.ts'
import { setMemoryFlags } from './memory/flags.ts'
import { createLog, type LogContext } from './telemetry/log/log.ts'

setMemoryFlags()

const defaultConf = new URL('../configs/config.yaml', import.meta.url)
const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string }

/** A setting as messages name it, once the configuration has been read. */
let named: ((setting: string) => string) | undefined

function readSettings(path: string | undefined): Conf {
  const defaults = { text: readFileSync(defaultConf, 'utf8'), origin: 'configs/config.yaml' }
  const own = path === undefined ? undefined : { text: readOwn(path), origin: path }
  const { env } = process
  const reading = { env, check: checkSettings(env), ...(own && { defaults }) }
  const read = readConf(own ?? defaults, reading)
  named = read.named
  return read.conf
}

function readOwn(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (err) {
    const problem = `found ${path}, ${whyUnreadable(err)}; must be a YAML file`
    throw new SettingError('--conf', problem)
  }
}

function fail(err: unknown): never {
  process.stderr.write(failure(err, named))
  process.exit(1)
}

/** A command's files are loaded when it is called. */
const commands: Record<string, (conf: Conf, users?: string) => Promise<unknown>> = {
  async serve(conf) {
    const { run } = await import('./command/serve.ts')
    const created: RunOptions['created'] = (service) => onSignals(service, fail)
    const log = (context: LogContext) => createLog(conf.log, process.stdout.isTTY, context)
    await run(conf, { version, env: process.env, log, created, rejected: fail })
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
  const { command, conf, users, help } = readArguments(Object.keys(commands))
  if (help) return void process.stdout.write(`${usage}\n`)
  await commands[command]?.(readSettings(conf), users)
}

main().catch(fail)
