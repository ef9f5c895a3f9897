import { drizzleOrm } from '../../drizzle.ts'
import { sqliteCore } from '../drizzle.ts'
import { bigInteger, epochMs } from './columns.ts'

const { sql } = drizzleOrm
const { sqliteTable } = sqliteCore

/** The history of the users of SQLite. */
export const userChanges = sqliteTable('user_changes', {
  seq: bigInteger('seq').primaryKey(),
  id: bigInteger('user_id').notNull(),
  kind: bigInteger('kind').notNull(),
  at: epochMs('at')
    .notNull()
    .default(sql`(cast(unixepoch('subsec') * 1000 as integer))`),
})
