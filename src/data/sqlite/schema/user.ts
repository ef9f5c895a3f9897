import { drizzleOrm } from '../../drizzle.ts'
import { sqliteCore } from '../drizzle.ts'

const { sql } = drizzleOrm
const { customType, sqliteTable, text, uniqueIndex } = sqliteCore

// The connection reads every integer as a bigint, so that 64-bit ids are exact.
const bigInteger = customType<{ data: bigint; driverData: bigint }>({
  dataType: () => 'integer',
})

const epochMs = customType<{ data: Date; driverData: bigint }>({
  dataType: () => 'integer',
  toDriver: (date) => BigInt(date.getTime()),
  fromDriver: (ms) => new Date(Number(ms)),
})

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
