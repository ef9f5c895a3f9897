import { parseArgs } from 'node:util'
import { nearest } from '../text/nearest.ts'

/** The command lines that this program takes, for its error messages. */
export const usage = `usage: npm start -- [--conf PATH]
       npm run migrate -- [--conf PATH]
       npm run seed -- --users N [--conf PATH]
       npm run routes -- [--conf PATH]
       npm run openapi -- [--conf PATH]`

const options = {
  conf: { type: 'string' },
  users: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

/** The command on the command line. */
interface Asked {
  command: string
  /** The configuration file; undefined: the one of the program. */
  conf: string | undefined
  users: string | undefined
  help: boolean
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
  if (more.length > 0) throw new Error(`one command is allowed, found ${positionals.join(' ')}`)
  if (values.users !== undefined && command !== 'seed')
    throw new Error(`--users is for seed, found it with ${command}`)
  return { command, conf: values.conf, users: values.users, help: values.help === true }
}

function unknown(what: string, found: string, allowed: readonly string[]): string {
  const meant = nearest(found, allowed)
  const hint = meant === undefined ? '' : `did you mean ${meant}? `
  return `unknown ${what} ${found}; ${hint}Allowed: ${allowed.join(', ')}; see --help`
}
