import { setTimeout as sleep } from 'node:timers/promises'
import type { ConnectionOptions } from 'mysql2'
import { DomainError } from '../../../biz/error.ts'
import type { StorageEvents, StorageProblems } from '../../database.ts'
import { databaseUnavailable } from '../../error.ts'
import { MigrationError } from '../../migration.ts'
import { monitor } from './monitor.ts'
import type { connectionPool } from '../pool/pool.ts'

const migrationRetryMs = 1_000

/** The problem of a server that answers, but is no primary. */
const takesNoWrites = 'the server is read-only'

interface Watched {
  options: ConnectionOptions
  pool: Pick<ReturnType<typeof connectionPool>, 'lastAnswerAt' | 'giveUp' | 'renew'>
  /** A replica: its schema comes by replication. */
  readOnly: boolean
  migrate: () => Promise<string[]>
}

/** Whether the server answers and its schema is up to date, for which it goes on trying. */
export function availability({ options, pool, readOnly, migrate }: Watched) {
  let problems: StorageProblems = {
    database: 'not connected yet',
    migrations: readOnly ? '' : 'not run yet',
  }
  let watching: ReturnType<typeof monitor> | undefined

  /** Tries until the migrations are done, the server is gone again, or it has rejected one. */
  async function migrateWhileUp(events: StorageEvents, set: (next: StorageProblems) => void) {
    while (problems.database === '' && problems.migrations !== '') {
      try {
        events.migrated(await migrate())
        return set({ ...problems, migrations: '' })
      } catch (err) {
        // A rejection around the migrations will not pass by waiting, either.
        const rejected = err instanceof DomainError && err.kind === 'internal'
        if (err instanceof MigrationError || rejected) return events.rejected(err)
        set({ ...problems, migrations: reasonOf(err) })
        await sleep(migrationRetryMs)
      }
    }
  }

  return {
    problems: () => problems,
    /** DATABASE_UNAVAILABLE where a call would fail anyway. */
    problem(): DomainError | undefined {
      const { database, migrations } = problems
      // Reads work on such a server, and for an account with the privilege writes do.
      const problem =
        (database === takesNoWrites ? '' : database) || (migrations && `migrations: ${migrations}`)
      return problem === '' ? undefined : databaseUnavailable(new Error(problem))
    },
    /** Resolves when the first try has ended, either way. */
    start(events: StorageEvents): Promise<void> {
      const firstTry = Promise.withResolvers<void>()
      function set(next: StorageProblems, cause?: string): void {
        problems = next
        events.changed(next, cause)
        if (next.database !== '' || next.migrations !== 'running') firstTry.resolve()
      }
      watching = monitor(
        { options, mustWrite: !readOnly, lastAnswerAt: pool.lastAnswerAt },
        {
          up() {
            // Those from before may lead to a server that was the primary then.
            pool.renew()
            set({ database: '', migrations: problems.migrations === '' ? '' : 'running' })
            if (problems.migrations !== '') void migrateWhileUp(events, set)
          },
          readOnly: () => set({ ...problems, database: takesNoWrites }),
          moved: () => pool.renew(),
          down({ reason, message }) {
            set({ ...problems, database: reason }, message)
            pool.giveUp(databaseUnavailable(new Error(reason)))
          },
        },
      )
      return firstTry.promise
    },
    async close(): Promise<void> {
      problems = { ...problems, database: 'closed' }
      await watching?.close()
    },
  }
}

/** Why migrations could not run; the cause of a failure says more than its message for callers. */
function reasonOf(err: unknown): string {
  const told = err instanceof DomainError ? err.cause : err
  return told instanceof Error ? told.message : String(told)
}
