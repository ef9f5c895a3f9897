import type { Logger } from 'pino'
import type { Database, StorageEvents } from '../../data/database.ts'

/** States on the way to one that is known. */
const passing = ['', 'running', 'not run yet']

/**
 * Writes a warning when a storage, `title` in the line, turns bad or becomes bad for another reason, and
 * a line when it is good again. Nothing is written where it is good from the start.
 */
export function storageLog(
  log: Logger,
  title: string,
  { description: storage }: Pick<Database, 'description'>,
): StorageEvents['changed'] {
  let told = ''
  return function changed({ database, migrations }, cause) {
    const migrating = passing.includes(migrations)
      ? ''
      : `its migrations could not run: ${migrations}`
    const problem = database === '' ? migrating : (cause ?? database)
    if (problem === told) return
    if (problem !== '') {
      log.warn(
        { storage, database, migrations },
        `${title} cannot be used, trying again: ${problem}`,
      )
      told = problem
    } else if (migrations === '') {
      log.info({ storage }, `${title} can be used again`)
      told = ''
    }
  }
}
