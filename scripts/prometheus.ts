// Prometheus' programs for the tests: where they are, and how they are got on Debian.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { find } from './mariadbd.ts'

const cache = join(import.meta.dirname, '../node_modules/.cache')
const unpacked = join(cache, 'prometheus')

export interface PrometheusPrograms {
  prometheus: string
  promtool: string
}

export function findPrometheus(): PrometheusPrograms | undefined {
  const bin = join(unpacked, 'usr/bin')
  const prometheus = find('prometheus', [bin])
  const promtool = find('promtool', [bin])
  return prometheus && promtool ? { prometheus, promtool } : undefined
}

/**
 * Unpacks Debian's package without installing it: its service would start, on the port of ours. The
 * programs need libc only. Undefined where there is no apt-get, or it cannot.
 */
export function fetchPrometheus(): PrometheusPrograms | undefined {
  if (find('apt-get') === undefined || find('dpkg-deb') === undefined) return undefined
  console.log('No prometheus found: unpacking the package of Debian with apt-get.')
  mkdirSync(cache, { recursive: true })
  const dir = mkdtempSync(join(cache, 'prometheus-'))
  try {
    // As root the lists may be brought up to date; otherwise those that are there must do.
    if (process.getuid?.() === 0) run('apt-get', ['update', '-qq'], dir)
    if (!run('apt-get', ['download', '-qq', 'prometheus'], dir)) return undefined
    const deb = readdirSync(dir).find((name) => name.endsWith('.deb'))
    if (deb === undefined || !run('dpkg-deb', ['-x', deb, 'unpacked'], dir)) return undefined
    rmSync(unpacked, { recursive: true, force: true })
    renameSync(join(dir, 'unpacked'), unpacked)
    return findPrometheus()
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function run(command: string, args: string[], cwd: string): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status } = spawnSync(command, args, { cwd, env, stdio: ['ignore', 'ignore', 'inherit'] })
  return status === 0
}
