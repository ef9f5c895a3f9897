// Packages that one command or a few tests need. Each has a folder in scripts/packages with a lock of its own and is
// installed there when it is first needed, so that `npm ci` of the project does without.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join, relative } from 'node:path'
import { Refusal } from './new/refusal.ts'
import { project } from './tool.ts'

/** The packages, by the names of their folders. */
export type OnDemand = 'drizzle-kit' | 'google-gax'

interface Lock {
  packages: Record<string, { version?: string; optional?: boolean; devOptional?: boolean }>
}

/** The folder that a package is installed in. */
export function folderOf(name: OnDemand): string {
  return join(project, 'scripts/packages', name)
}

/** Installs a package that is missing or is not as its lock says. Throws Refusal where npm fails. */
export function provide(name: OnDemand, folder = folderOf(name)): void {
  if (isInstalled(folder)) return
  console.log(`Installing ${name} in ${relative(project, folder)}.`)
  const [program, ...args] = npm()
  // No package needs its install script. The cause of a failure is told also under `npm run -s`.
  const said = ['--no-audit', '--no-fund', '--loglevel=error']
  const flags = ['ci', '--ignore-scripts', '--prefer-offline', ...said]
  const { status, stderr, error } = spawnSync(program, [...args, ...flags, '--prefix', folder], {
    cwd: folder,
    encoding: 'utf8',
  })
  if (status === 0) return
  throw new Refusal(
    `${error?.message ?? stderr.trim()}\n\n${name} could not be installed. Where npm reaches its registry: ${installCommand(name)}`,
  )
}

/** What installs a package by hand. */
export function installCommand(name: OnDemand): string {
  return `npm ci --prefix scripts/packages/${name}`
}

/** Loads a package that is installed on demand. Throws with what installs it. */
export function load(name: OnDemand): unknown {
  const folder = folderOf(name)
  if (!isInstalled(folder)) throw new Error(`${name} is not installed: ${installCommand(name)}`)
  return createRequire(join(folder, 'package.json'))(name)
}

/** Whether the packages in a folder are those of its lock, by the list that npm leaves of them. */
export function isInstalled(folder: string): boolean {
  const wanted = lockOf(join(folder, 'package-lock.json'))
  const there = lockOf(join(folder, 'node_modules/.package-lock.json'))
  if (wanted === undefined) throw new Error(`there is no package-lock.json in ${folder}`)
  if (there === undefined) return false
  return Object.entries(wanted.packages).every(([path, { version, optional, devOptional }]) => {
    const installed = there.packages[path]
    // Those of other platforms are left out.
    if (installed === undefined) return path === '' || optional === true || devOptional === true
    return installed.version === version
  })
}

function lockOf(file: string): Lock | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Lock
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'ENOENT') return undefined
    throw err
  }
}

/** The npm that runs this script, which Windows cannot start by its name; else that of the PATH. */
export function npm(): [program: string, ...args: string[]] {
  const running = process.env.npm_execpath ?? ''
  return basename(running) === 'npm-cli.js' ? [process.execPath, running] : ['npm']
}
