import { drizzleOrm } from '../../drizzle.ts'
import { mysqlCore } from '../drizzle.ts'
import { binaryVarchar } from './columns.ts'

const { sql } = drizzleOrm
const { bigint, datetime, mysqlTable, uniqueIndex } = mysqlCore

/** The users of MySQL. Text is stored as bytes, so that it compares exactly. */
export const users = mysqlTable(
  'users',
  {
    id: bigint('id', { mode: 'bigint' }).autoincrement().primaryKey(),
    name: binaryVarchar('name', { length: 100 }).notNull(),
    email: binaryVarchar('email', { length: 254 }).notNull(),
    phone: binaryVarchar('phone', { length: 32 }).notNull().default(''),
    // The service always gives it, in UTC. Not utc_timestamp, which TiDB takes for no default.
    createdAt: datetime('created_at', { mode: 'date', fsp: 3 })
      .notNull()
      .default(sql`CURRENT_TIMESTAMP(3)`),
  },
  (table) => [uniqueIndex('users_email_unique').on(table.email)],
)
