// Programs of the machine that a test run needs: where they are, and how they are installed.
import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

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

const quiet = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }

/** Installs packages with apt-get. False without root or apt-get, or if it fails. */
export function aptInstall(...packageNames: string[]): boolean {
  const apt = findProgram('apt-get')
  if (apt === undefined || !isRoot) return false
  console.log(`Installing ${packageNames.join(', ')} with apt-get.`)
  return [
    ['update', '-qq'],
    ['install', '-qq', '-y', '-o=Dpkg::Use-Pty=0', '--no-install-recommends', ...packageNames],
  ].every(
    (args) =>
      spawnSync(apt, args, { env: quiet, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0,
  )
}

/**
 * Unpacks Debian's package into `folder` without installing it, for a program whose service would start
 * and take the ports of the tests. False without apt-get, or if it fails.
 */
export function aptUnpack(packageName: string, folder: string): boolean {
  if (findProgram('apt-get') === undefined || findProgram('dpkg-deb') === undefined) return false
  console.log(`Unpacking Debian's ${packageName}.`)
  const cache = dirname(folder)
  mkdirSync(cache, { recursive: true })
  const dir = mkdtempSync(join(cache, 'apt-'))
  const done = (command: string, ...args: string[]) =>
    spawnSync(command, args, { cwd: dir, env: quiet, stdio: ['ignore', 'ignore', 'inherit'] })
      .status === 0
  try {
    // As root the lists may be brought up to date; otherwise those that are there must do.
    if (isRoot) done('apt-get', 'update', '-qq')
    if (!done('apt-get', 'download', '-qq', packageName)) return false
    const deb = readdirSync(dir).find((name) => name.endsWith('.deb'))
    if (deb === undefined || !done('dpkg-deb', '-x', deb, 'unpacked')) return false
    rmSync(folder, { recursive: true, force: true })
    renameSync(join(dir, 'unpacked'), folder)
    return true
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
