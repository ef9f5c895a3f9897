import type { AsyncRemoteCallback } from 'drizzle-orm/sqlite-proxy'
import { lazily, type Queries } from '../queries.ts'
import { sqliteChangeQueries } from './changes.ts'
import { sqliteOrderQueries } from './order.ts'
import { userChanges } from './schema/user-changes.ts'
import { sqliteUserQueries } from './user.ts'

/** The statements of every noun on the one connection. */
export function sqliteQueries(execute: AsyncRemoteCallback): Queries {
  return lazily<Queries>({
    users: () => sqliteUserQueries(execute),
    orders: () => sqliteOrderQueries(execute),
    userChanges: () => sqliteChangeQueries(execute, userChanges),
  })
}
