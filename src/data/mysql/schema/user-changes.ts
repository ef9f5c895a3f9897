import { drizzleOrm } from '../../drizzle.ts'
import { mysqlCore } from '../drizzle.ts'

const { sql } = drizzleOrm
const { bigint, datetime, mysqlTable, tinyint } = mysqlCore

/** The history of the users of MySQL. */
export const userChanges = mysqlTable('user_changes', {
  seq: bigint('seq', { mode: 'bigint' }).autoincrement().primaryKey(),
  id: bigint('user_id', { mode: 'bigint' }).notNull(),
  kind: tinyint('kind').notNull(),
  // By the clock of the server, which all processes share; in UTC, as the session is.
  at: datetime('at', { mode: 'date', fsp: 3 })
    .notNull()
    .default(sql`CURRENT_TIMESTAMP(3)`),
})
