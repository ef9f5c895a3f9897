// etcd, and the peers that find the service in it, for the tests of src/fleet.
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { aptUnpack, findProgram, isExecutable } from './program.ts'

const modules = join(import.meta.dirname, '../test/fleet')
const cache = join(import.meta.dirname, '../node_modules/.cache/user-service/fleet')
const unpacked = join(cache, '../etcd-server')

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
 * The peers, built with Go where they have changed, and the etcd of TEST_ETCD, of PATH or of Debian, else one
 * that is built with Go. Undefined without Go, or if a build fails: the tests that need them are skipped then,
 * and say so.
 */
export async function fleetPrograms(): Promise<FleetPrograms | undefined> {
  if (findProgram('go') === undefined) return undefined
  const folder = fleetFolder()
  try {
    const [, etcd] = await Promise.all([
      build('peers', '-o', `${folder}/`, './gozero', './kratos'),
      anyEtcd(),
    ])
    return { TEST_ETCD: etcd, TEST_FLEET_PEERS: folder }
  } catch (err) {
    console.log(`etcd and its peers could not be had: ${String(err).split('\n', 1)[0]}`)
    return undefined
  }
}

/** etcd in the newest version of its modules, which takes two minutes the first time. */
export async function builtEtcd(): Promise<string> {
  const etcd = join(fleetFolder(), 'etcd')
  await build('etcd', '-ldflags=-s -w', '-o', etcd, 'go.etcd.io/etcd/server/v3')
  return etcd
}

async function anyEtcd(): Promise<string> {
  return findEtcd() ?? builtEtcd()
}

/** Debian's is not installed, since its service would start. */
function findEtcd(): string | undefined {
  const known = process.env.TEST_ETCD ?? findProgram('etcd')
  if (known !== undefined) return known
  const program = join(unpacked, 'usr/bin/etcd')
  return isExecutable(program) || aptUnpack('etcd-server', unpacked) ? program : undefined
}

async function build(module: string, ...args: string[]): Promise<void> {
  await promisify(execFile)('go', ['-C', join(modules, module), 'build', '-trimpath', ...args])
}
