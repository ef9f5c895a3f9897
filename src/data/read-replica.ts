import type { Database } from './database.ts'

/** The storage for reads that may be a little old. */
export type Reads = Pick<Database, 'use'>

/**
 * Reads from the replica while it answers, else from the primary. Replication is late by an unknown
 * time, so what must see the caller's own write is not to be read here. A read that fails on the
 * replica, for instance because its table has not arrived there yet, is repeated on the primary.
 */
export function replicaReads(primary: Database, replica: Database): Reads {
  return {
    async use(signal, work) {
      if (replica.problems().database !== '') return primary.use(signal, work)
      try {
        return await replica.use(signal, work)
      } catch (err) {
        if (signal.aborted) throw err
        return primary.use(signal, work)
      }
    },
  }
}
