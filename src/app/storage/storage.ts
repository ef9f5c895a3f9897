import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Logger } from 'pino'
import type { Conf } from '../../conf/conf.ts'
import { SettingError } from '../../conf/error.ts'
import type { Database, StorageEvents } from '../../data/database.ts'
import { DsnError } from '../../data/mysql/dsn.ts'
import { replicaReads } from '../../data/read-replica.ts'
import type { ObserveStatements } from '../../data/statement-observer.ts'
import { enabledServices } from '../services.ts'
import { storageLog } from './storage-log.ts'

type DatabaseConf = Conf['data']['database']

/** The storage of the process, as openStorage makes it. */
export type Storage = Awaited<ReturnType<typeof databases>>

/** Whether one of the services that a process has keeps something. */
export function usesStorage(services: Conf['services']): boolean {
  return enabledServices(services).length > 0
}

/**
 * Makes the database and, if one is configured, its read replica. Neither connects yet. Throws
 * DsnError.
 */
async function databases({ database }: Conf['data'], observe?: ObserveStatements) {
  const db = await openDatabase(database, observe)
  const replica = await openReplica(database, observe)
  return {
    db,
    /** Storage for reads that may be slightly stale, such as lists. */
    reads: replica ? replicaReads(db, replica) : db,
    pools: () => [...db.pools(), ...(replica?.pools() ?? [])],
    /**
     * Connects and migrates. Resolves, too, if the database cannot be used yet. Does not wait for
     * the replica, since reads go to the database while the replica does not answer.
     */
    start(log: Logger, { changed, rejected }: Pick<StorageEvents, 'changed' | 'rejected'>) {
      void replica?.start({
        changed: storageLog(log, 'the read replica', replica),
        migrated: () => undefined,
        rejected,
      })
      const logChange = storageLog(log, 'the database', db)
      return db.start({
        changed(problems, cause) {
          logChange(problems, cause)
          changed(problems)
        },
        migrated(names) {
          if (names.length > 0) log.info({ storage: db.description, applied: names }, 'migrated')
        },
        rejected,
      })
    },
    async close(): Promise<void> {
      await Promise.all([db.close(), replica?.close()])
    },
  }
}

/** As `databases`; of a process that keeps nothing, none. */
export async function openStorage(
  { data, services }: Pick<Conf, 'data' | 'services'>,
  observe?: ObserveStatements,
): Promise<Storage> {
  if (usesStorage(services)) return databases(data, observe)
  return (await import('./no-storage.ts')).noStorage()
}

/**
 * Makes a MySQL database if a DSN is configured, otherwise SQLite in a file; the other's files are not
 * loaded. Throws DsnError and SettingError.
 */
export async function openDatabase(
  conf: DatabaseConf,
  observe?: ObserveStatements,
): Promise<Database> {
  const { source, sqlitePath, coalesceReads, groupWrites } = conf
  if (source === '') return openSqlite(sqlitePath, observe)
  const { mysqlDatabase } = await import('../../data/mysql/database.ts')
  return mysqlDatabase({ source, pool: poolOptions(conf), observe, coalesceReads, groupWrites })
}

async function openSqlite(path: string, observe?: ObserveStatements): Promise<Database> {
  const { sqliteDatabase } = await import('../../data/sqlite/database.ts')
  try {
    return sqliteDatabase(path, observe)
  } catch (cause) {
    const problem = `found ${JSON.stringify(path)}, which SQLite cannot use`
    throw new SettingError('data.database.sqlite_path', problem, { cause })
  }
}

async function openReplica(
  conf: DatabaseConf,
  observe?: ObserveStatements,
): Promise<Database | undefined> {
  const { source, readDsn } = conf
  if (readDsn === '') return undefined
  if (source === '') throw new DsnError('data.database.read_dsn needs data.database.source, too')
  const { mysqlDatabase } = await import('../../data/mysql/database.ts')
  return mysqlDatabase({ source: readDsn, pool: poolOptions(conf), observe, readOnly: true })
}

function poolOptions({ poolSize, poolWait, poolQueue }: DatabaseConf) {
  return { size: poolSize, maxWaiting: poolQueue, waitMs: durationMs(poolWait) }
}
