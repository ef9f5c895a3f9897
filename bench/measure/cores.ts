import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/** Which core the service has, and which the generator of load; undefined where none is set apart. */
export interface Cores {
  service: number | undefined
  generator: number | undefined
}

/**
 * Keeps this process, and what it starts from now on, off the core of the service: the database and the
 * generator of load. Prints a line where that is impossible.
 */
export function divideCores(): Cores {
  const divided =
    availableParallelism() > 1 &&
    spawnSync('taskset', ['-a', '-cp', '1', `${process.pid}`]).status === 0
  if (!divided) console.log('taskset or a second core is missing: nothing is pinned')
  return divided ? { service: 0, generator: 1 } : { service: undefined, generator: undefined }
}

/** What to put before a command that is to stay on one core; taskset becomes the command itself. */
export function pinned(core: number | undefined): string[] {
  return core === undefined ? [] : ['taskset', '-c', `${core}`]
}
