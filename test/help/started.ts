import type { Database } from '../../src/data/database.ts'

/** Starts a storage that is expected to be usable at once. */
export async function started(db: Database): Promise<Database> {
  const { promise, reject, resolve } = Promise.withResolvers<void>()
  await db.start({ changed: () => undefined, migrated: () => resolve(), rejected: reject })
  await promise
  return db
}
