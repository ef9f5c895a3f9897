// Programs that are built by Go where they are needed; none is a dependency of the project.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

const cache = join(import.meta.dirname, '../node_modules/.cache/go-tools')

/**
 * The path of a program: what the variable of its name in capitals says, else built from the module at
 * this version and kept. Throws when Go is missing or the build fails.
 */
export function goTool(name: string, module: string, version: string): string {
  const given = process.env[name.toUpperCase()]
  if (given) return given
  const folder = join(cache, version)
  const program = join(folder, name)
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  console.log(`building ${module}@${version} with Go`)
  run('go', ['install', `${module}@${version}`], { GOBIN: folder })
  return program
}

/** Runs a program and gives what it wrote. Throws with both of its outputs when it fails. */
export function run(command: string, args: string[], env: Record<string, string> = {}): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: Infinity,
  })
  if (status === 0) return stdout
  throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`)
}
