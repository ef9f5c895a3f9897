import type { Connection } from 'mysql2'
import { lazily, type Queries } from '../queries.ts'
import type { StatementObserver } from '../statement-observer.ts'
import { runner } from './execute.ts'
import { mysqlChangeQueries } from './changes.ts'
import { mysqlOrderQueries } from './order.ts'
import { mysqlUserQueries, userChangeStatements } from './user.ts'

/** The statements of every noun on one connection; each run of one is told to `observer`. */
export function mysqlQueries(connection: Connection, observer: StatementObserver): Queries {
  const run = runner(connection, observer)
  return lazily<Queries>({
    users: () => mysqlUserQueries(run),
    orders: () => mysqlOrderQueries(run),
    userChanges: () => mysqlChangeQueries(run, userChangeStatements()),
  })
}
