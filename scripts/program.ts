// Programs of the machine that a test run needs: where they are, and how they are installed.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether this process runs as root. */
export const isRoot = process.getuid?.() === 0

/** The path of the first of these programs that exists, in PATH or in the folders of servers. */
export function findProgram(...names: string[]): string | undefined {
  const dirs = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return names
    .flatMap((name) => [...dirs, '/usr/libexec'].map((dir) => join(dir, name)))
    .find(isExecutable)
}

/** Whether a file exists and may be executed. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * Installs a package with apt-get and prints `because`. False without root or apt-get, or if it
 * fails.
 */
export function aptInstall(packageName: string, because: string): boolean {
  const apt = findProgram('apt-get')
  if (apt === undefined || !isRoot) return false
  console.log(`${because}: installing ${packageName} with apt-get.`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return [
    ['update', '-qq'],
    ['install', '-qq', '-y', '-o=Dpkg::Use-Pty=0', '--no-install-recommends', packageName],
  ].every(
    (args) => spawnSync(apt, args, { env, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0,
  )
}
