import { parseArgs } from 'node:util'
import { nearest } from '../text/nearest.ts'

/** The command lines that this program takes, for its error messages. */
export const usage = `usage: npm start -- [--conf PATH]
       npm run migrate -- [--conf PATH]
       npm run seed -- --users N [--conf PATH]
       npm run routes -- [--conf PATH]
       npm run config -- [--conf PATH]
       npm run openapi -- [--conf PATH]
       npm run call -- --target TARGET [--protocol PROTOCOL] [--timeout SECONDS]
               [--header NAME=VALUE]... METHOD [JSON]...`

const options = {
  conf: { type: 'string' },
  users: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  target: { type: 'string' },
  protocol: { type: 'string' },
  timeout: { type: 'string' },
  header: { type: 'string', multiple: true },
} as const

/** The options of one command only. */
const commandOf: Record<string, string> = {
  users: 'seed',
  target: 'call',
  protocol: 'call',
  timeout: 'call',
  header: 'call',
}

/** What `call` is asked to do, as it was written. */
export interface CallArguments {
  target: string | undefined
  protocol: string | undefined
  /** In seconds. */
  timeout: string | undefined
  /** `name=value` each. */
  headers: readonly string[]
  method: string | undefined
  /** The messages as JSON. */
  messages: readonly string[]
}

/** The command on the command line. */
interface Asked {
  command: string
  /** The configuration file; undefined: the one of the program. */
  conf: string | undefined
  users: string | undefined
  help: boolean
  call: CallArguments
}

/** Reads the command line. Throws an error that names what is not known, and what was meant. */
export function readArguments(commands: readonly string[], args: readonly string[]): Asked {
  const known = Object.keys(options).map((name) => `--${name}`)
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  for (const token of tokens)
    if (token.kind === 'option' && !Object.hasOwn(options, token.name))
      throw new Error(unknown('option', token.rawName, known))
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
  const [command = 'serve', ...more] = positionals
  if (!commands.includes(command)) throw new Error(unknown('command', command, commands))
  if (more.length > 0 && command !== 'call')
    throw new Error(`one command is allowed, found ${positionals.join(' ')}`)
  for (const name of Object.keys(values)) {
    const owner = commandOf[name] ?? command
    if (owner !== command) throw new Error(`--${name} is for ${owner}, found it with ${command}`)
  }
  const { conf, users, target, protocol, timeout, header: headers = [] } = values
  const [method, ...messages] = more
  const call = { target, protocol, timeout, headers, method, messages }
  return { command, conf, users, help: values.help === true, call }
}

function unknown(what: string, found: string, allowed: readonly string[]): string {
  const meant = nearest(found, allowed)
  const hint = meant === undefined ? '' : `did you mean ${meant}? `
  return `unknown ${what} ${found}; ${hint}Allowed: ${allowed.join(', ')}; see --help`
}
