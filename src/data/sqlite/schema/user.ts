import { drizzleOrm } from '../../drizzle.ts'
import { sqliteCore } from '../drizzle.ts'
import { bigInteger, epochMs } from './columns.ts'

const { sql } = drizzleOrm
const { sqliteTable, text, uniqueIndex } = sqliteCore

/** The users of SQLite. */
export const users = sqliteTable(
  'users',
  {
    id: bigInteger('id').primaryKey(),
    name: text('name').notNull(),
    email: text('email').notNull(),
    phone: text('phone').notNull().default(''),
    createdAt: epochMs('created_at')
      .notNull()
      .default(sql`(cast(unixepoch('subsec') * 1000 as integer))`),
  },
  (table) => [uniqueIndex('users_email_unique').on(table.email)],
)
