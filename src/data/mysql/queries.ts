import type { Connection } from 'mysql2'
import { lazily, type Queries } from '../queries.ts'
import type { StatementObserver } from '../statement-observer.ts'
import { mysqlUserQueries } from './user-queries.ts'

/** The statements of every noun on one connection. */
export function mysqlQueries(connection: Connection, observer: StatementObserver): Queries {
  return lazily<Queries>({
    users: () => mysqlUserQueries(connection, observer),
  })
}
