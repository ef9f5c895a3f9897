import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../scripts/go-tool.ts'

const cache = join(import.meta.dirname, '../../node_modules/.cache/bench-peers')
const nodePeers = join(import.meta.dirname, 'node')

/** The programs by their paths; undefined where one could not be built. */
export interface Programs {
  kratos: string | undefined
  load: string | undefined
  /** The folder of the peers that run on Node, with their packages. */
  node: string | undefined
}

/** Builds the peers and the generator of load. Prints a line for each that is left out. */
export function buildPrograms(): Programs {
  mkdirSync(cache, { recursive: true })
  return {
    load: orLeftOut('the generator of load, and so all that is measured by it', () => go('load')),
    kratos: orLeftOut('kratos', () => go('kratos')),
    node: orLeftOut('fastify and grpc-js', () => (npmInstalled(), nodePeers)),
  }
}

function orLeftOut(name: string, build: () => string): string | undefined {
  try {
    return build()
  } catch (err) {
    console.log(`left out: ${name}: ${err instanceof Error ? err.message : String(err)}`)
    return undefined
  }
}

function go(name: string): string {
  const program = join(cache, name)
  run('go', ['build', '-C', join(import.meta.dirname, name), '-buildvcs=false', '-o', program, '.'])
  return program
}

/** The packages have a lock of their own; the project's own `npm ci` does not install them. */
function npmInstalled(): void {
  const changedAt = (file: string) =>
    statSync(join(nodePeers, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const isFresh = changedAt('node_modules/.package-lock.json') >= changedAt('package-lock.json')
  if (!isFresh) run('npm', ['ci', '--prefix', nodePeers, '--ignore-scripts'])
}
