// etcd, and the peers that find the service in it: built with Go for the tests of src/fleet.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { run } from './go-tool.ts'
import { findProgram } from './program.ts'

const modules = join(import.meta.dirname, '../test/fleet')
const cache = join(import.meta.dirname, '../node_modules/.cache/user-service/fleet')

/** The folder that the programs are built into. */
export function fleetFolder(): string {
  mkdirSync(cache, { recursive: true })
  return cache
}

/** The variables by which the tests find the programs. */
interface FleetPrograms {
  TEST_ETCD: string
  /** A folder with gozero and kratos. */
  TEST_FLEET_PEERS: string
}

/**
 * Builds the programs where they have changed; the first time takes two minutes. Undefined without Go,
 * or if the build fails: the tests that need them are skipped then, and say so.
 */
export function fleetPrograms(): FleetPrograms | undefined {
  if (findProgram('go') === undefined) return undefined
  const folder = fleetFolder()
  const etcd = join(folder, 'etcd')
  try {
    build('etcd', '-ldflags=-s -w', '-o', etcd, 'go.etcd.io/etcd/server/v3')
    build('peers', '-o', `${folder}/`, './gozero', './kratos')
  } catch (err) {
    console.log(`etcd and its peers could not be built: ${String(err).split('\n', 1)[0]}`)
    return undefined
  }
  return { TEST_ETCD: etcd, TEST_FLEET_PEERS: folder }
}

function build(module: string, ...args: string[]): void {
  run('go', ['-C', join(modules, module), 'build', '-trimpath', ...args])
}
