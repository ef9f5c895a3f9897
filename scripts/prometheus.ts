// Prometheus' programs for the tests: finds them, or unpacks Debian's package of them.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { findProgram, isExecutable, isRoot } from './program.ts'

const cache = join(import.meta.dirname, '../node_modules/.cache')
const unpacked = join(cache, 'prometheus')

interface PrometheusPrograms {
  prometheus: string
  promtool: string
}

/** The paths of both programs; undefined if one of them is missing. */
export function findPrometheus(): PrometheusPrograms | undefined {
  const prometheus = find('prometheus')
  const promtool = find('promtool')
  return prometheus && promtool ? { prometheus, promtool } : undefined
}

function find(name: string): string | undefined {
  return findProgram(name) ?? [join(unpacked, 'usr/bin', name)].find(isExecutable)
}

/**
 * Unpacks Debian's package without installing it: its service would start on the port of the
 * tests. The programs need libc only. Undefined if there is no apt-get or if it fails.
 */
export function fetchPrometheus(): PrometheusPrograms | undefined {
  if (findProgram('apt-get') === undefined || findProgram('dpkg-deb') === undefined)
    return undefined
  console.log('No prometheus found: unpacking the package of Debian with apt-get.')
  mkdirSync(cache, { recursive: true })
  const dir = mkdtempSync(join(cache, 'prometheus-'))
  try {
    // As root the lists may be brought up to date; otherwise those that are there must do.
    if (isRoot) run('apt-get', ['update', '-qq'], dir)
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
