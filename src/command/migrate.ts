import type { Logger } from 'pino'
import { openDatabase } from '../app/storage/storage.ts'
import type { Conf } from '../conf/conf.ts'

/** Brings the schema up to date and says in the log what it applied. */
export async function migrate(conf: Conf, log: Logger): Promise<void> {
  const db = await openDatabase(conf.data.database)
  try {
    const applied = await db.migrate()
    log.info({ storage: db.description, applied }, applied.length > 0 ? 'migrated' : 'up to date')
  } finally {
    await db.close()
  }
}
