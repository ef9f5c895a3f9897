import { type ObserveStatements, type Storage, storageName } from '../../data/statement-observer.ts'
import { errorType } from '../error-type.ts'
import { statementAttributes } from '../statement.ts'
import { databaseSeconds } from './buckets.ts'
import {
  type Count,
  counts,
  type Distribution,
  distributions,
  type Family,
  record,
} from './family.ts'
import type { Limit } from './refusals.ts'

/** Statements whose series are kept; those with a list of rows have a text for each length. */
const maxTexts = 1000

function statementFamilies() {
  return {
    statements: distributions(
      {
        name: 'db.client.operation.duration',
        description: 'Time of statements, from sending to the last row',
        unit: 's',
      },
      databaseSeconds,
    ),
    waits: distributions(
      {
        name: 'db.client.connection.wait_time',
        description: 'How long calls waited for a connection, those too that got none',
        unit: 's',
      },
      databaseSeconds,
    ),
    uses: distributions(
      {
        name: 'db.client.connection.use_time',
        description: 'How long calls kept a connection',
        unit: 's',
      },
      databaseSeconds,
    ),
    timeouts: counts({
      name: 'db.client.connection.timeouts',
      description: 'Calls that waited for a connection for too long',
      unit: '{timeout}',
    }),
  }
}

/**
 * Times statements and the use of connections, under the names of OpenTelemetry's conventions for
 * databases. `refused` has the counter of each limit.
 */
export function statementMetrics(refused: Record<Limit, Count>) {
  const families = statementFamilies()

  const observe: ObserveStatements = (storage) => {
    const pool = { 'db.client.connection.pool.name': storageName(storage) }
    const waits = families.waits.series(pool)
    const uses = families.uses.series(pool)
    const timeouts = families.timeouts.series(pool)
    const timed = statementTimer(storage, families.statements)
    return {
      async statement(sql, run) {
        const since = performance.now()
        try {
          const result = await run()
          timed(sql, since)
          return result
        } catch (err) {
          timed(sql, since, err)
          throw err
        }
      },
      waited(since) {
        record(waits, (performance.now() - since) / 1000)
      },
      used(since) {
        record(uses, (performance.now() - since) / 1000)
      },
      refused(limit) {
        refused[limit].value += 1
        if (limit === 'pool_wait') timeouts.value += 1
      },
    }
  }
  return { observe, families: Object.values(families) as Family<unknown>[] }
}

function statementTimer(storage: Storage, family: Family<Distribution>) {
  const known = new Map<string, Distribution>()
  let system = storage.system

  function seriesOf(sql: string, err: unknown): Distribution {
    // A MySQL server says whether it is MariaDB when it first answers.
    if (system !== storage.system) known.clear()
    system = storage.system
    const type = err === undefined ? '' : errorType(err)
    // The text as it is, whose hash the engine keeps.
    const key = type === '' ? sql : `${type} ${sql}`
    const series =
      known.get(key) ??
      family.series({
        ...statementAttributes(sql, storage),
        ...(type !== '' && { 'error.type': type }),
      })
    if (known.size < maxTexts) known.set(key, series)
    return series
  }

  return function timed(sql: string, since: number, err?: unknown): void {
    record(seriesOf(sql, err), (performance.now() - since) / 1000)
  }
}
