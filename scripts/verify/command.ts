import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Thrown if a step needs a program that is missing. The message names the program. */
export class MissingTool extends Error {
  override readonly name = 'MissingTool'
}

/** The path of a program on PATH, or in one of `others`. Throws MissingTool. */
export function find(program: string, others: readonly string[] = []): string {
  const dirs = [...(process.env.PATH ?? '').split(delimiter), ...others, '/usr/local/go/bin']
  const found = dirs.map((dir) => join(dir, program)).find(isExecutable)
  if (found === undefined) throw new MissingTool(program)
  return found
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

interface RunOptions {
  cwd?: string
  env?: Record<string, string>
  /** Whether its output is shown while it runs; true. */
  shown?: boolean
  /** Exit codes that count as success; 0. */
  allowed?: readonly number[]
}

/**
 * Runs a command to its end and returns its output. Throws an error with the end of the output if
 * it fails.
 */
export async function run(
  [command = '', ...args]: readonly string[],
  { cwd, env, shown = true, allowed = [0] }: RunOptions = {},
): Promise<string> {
  const child = spawn(command, args, {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (shown) process.stdout.write(text)
    })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== null && allowed.includes(code)) return output
  throw new Error(`${command} ${args.join(' ')}: exit code ${code}\n${output.slice(-2000)}`)
}
