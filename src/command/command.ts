import { readFileSync } from 'node:fs'
import { openConfig, type OpenedConfig } from '../app/config/open.ts'
import type { Conf } from '../conf/conf.ts'
import { letHeapDouble, optimizeCode } from '../memory/flags.ts'
import { processMemory } from '../memory/process-memory.ts'
import { createLog, type LogContext } from '../telemetry/log/log.ts'
import { type CallArguments, readArguments, usage } from './arguments.ts'
import { failure } from './fail.ts'
import type { RunOptions } from './serve.ts'
import { configReader } from './settings.ts'
import { onSignals } from './signals.ts'

/** The parts of the process that commands use. */
export interface CommandProcess {
  args: readonly string[]
  env: Record<string, string | undefined>
  /** Whether standard output is a terminal. */
  isTerminal: boolean
  /** Whether standard input, output or error is one. */
  hasTerminal: boolean
  write: (text: string) => unknown
  /** Ends the process, which has failed, with a text for people. */
  fail: (text: string) => never
}

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string }

/** A command's files are loaded when it is called. */
const commands: Record<string, (asked: AskedCommand) => Promise<unknown>> = {
  async serve({ conf, opened, isTerminal, hasTerminal, env, fail }) {
    const { run } = await import('./serve.ts')
    const created: RunOptions['created'] = (service) => {
      onSignals(service, { hasTerminal, fail })
      // What loading and compiling leave behind, before a port is open: nobody waits for it then.
      processMemory().release()
      optimizeCode(true)
      letHeapDouble()
    }
    const log = (context: LogContext) => createLog(conf.log, isTerminal, context)
    await run(conf, { version, env, log, created, rejected: fail, opened })
  },
  async migrate({ conf, isTerminal }) {
    const { migrate } = await import('./migrate.ts')
    // Its one line is what the command is for, whatever a service is to log.
    const settings = { ...conf.log, level: 'info' }
    await migrate(conf, await createLog(settings, isTerminal, { version }))
  },
  async seed({ conf, users, write }) {
    optimizeCode(true)
    const { seed } = await import('./seed.ts')
    await seed(conf, users, write)
  },
  async routes({ conf, write }) {
    const { routes } = await import('./routes.ts')
    const silent = await createLog({ ...conf.log, level: 'silent' }, false, { version })
    write(await routes(conf, silent))
  },
  async config({ opened, write }) {
    const { effectiveConfig } = await import('./config.ts')
    for (const note of opened.notes) write(`# ${note}\n`)
    write(effectiveConfig(opened))
  },
  async openapi({ conf, write }) {
    const { openapi } = await import('./openapi.ts')
    const silent = await createLog({ ...conf.log, level: 'silent' }, false, { version })
    write(await openapi(conf, silent, version))
  },
  async call({ conf, call: asked, write, fail }) {
    // A stream may be long.
    optimizeCode(true)
    const { call, problemOf } = await import('./call.ts')
    const openRegistry = async () => {
      const [{ openDiscovery }, { watchers }] = await Promise.all([
        import('../app/fleet/fleet.ts'),
        import('../app/watch.ts'),
      ])
      const silent = await createLog({ ...conf.log, level: 'silent' }, false, { version })
      return openDiscovery(conf.registry, watchers({ log: silent }))
    }
    await call(asked, write, openRegistry).catch((err: unknown) => fail(problemOf(err)))
  },
}

interface AskedCommand extends Omit<CommandProcess, 'args' | 'fail'> {
  conf: Conf
  /** The same with where it comes from. */
  opened: OpenedConfig
  users: string | undefined
  call: CallArguments
  fail: (err: unknown) => never
}

/** Does what the arguments ask for. A failure ends the process, also one that comes much later. */
export async function runCommand(given: CommandProcess): Promise<void> {
  /** A setting as messages name it, once the configuration has been read. */
  let named: ((setting: string) => string) | undefined
  function fail(err: unknown): never {
    return given.fail(failure(err, named))
  }
  try {
    const asked = readArguments(Object.keys(commands), given.args)
    if (asked.help) return void given.write(`${usage}\n`)
    const opened = await openConfig(configReader(asked.conf, given.env))
    named = opened.named
    const { users, call } = asked
    await commands[asked.command]?.({ ...given, conf: opened.conf, opened, users, call, fail })
  } catch (err) {
    fail(err)
  }
}
