import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The path of a program, also where only root's PATH has it; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  const dirs = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return [...dirs, '/usr/libexec'].map((dir) => join(dir, name)).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** As root on Debian, installs a package and says so; gives whether it is installed now. */
export function installPackage(name: string, what: string): boolean {
  const apt = findProgram('apt-get')
  if (apt === undefined || process.getuid?.() !== 0) return false
  console.log(`${what} not found: installing ${name} with apt-get.`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return [
    ['update', '-qq'],
    ['install', '-qq', '-y', '--no-install-recommends', name],
  ].every((args) => {
    const { status } = spawnSync(apt, args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
    return status === 0
  })
}
