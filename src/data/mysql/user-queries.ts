import type { MySql2Database } from 'drizzle-orm/mysql2'
import type { Connection, QueryOptions, ResultSetHeader } from 'mysql2'
import type { Connection as PromiseConnection } from 'mysql2/promise'
import { drizzleOrm } from '../drizzle.ts'
import { mysqlDriver } from './drizzle.ts'
import { type StatementObserver, unobserved } from '../statement-observer.ts'
import { execute } from './execute.ts'
import type { UserQueries } from '../queries.ts'
import { users } from './schema.ts'

const { asc, eq, gt, sql } = drizzleOrm
const id = sql.placeholder('id')
const limit = sql.placeholder('limit')

/** Builds the statements of the users table on one connection; each run of one is told to `observer`. */
export function mysqlUserQueries(
  connection: Connection,
  observer: StatementObserver = unobserved,
): UserQueries {
  const db = mysqlDriver.drizzle({ client: observed(connection, observer) })
  const statements = buildStatements(db)
  return {
    async insert(user) {
      const [header] = await statements.insert.execute({ ...user })
      return BigInt(header.insertId)
    },
    async insertMany(rows) {
      await db.insert(users).values(rows)
    },
    async find(userId) {
      const [user] = await statements.find.execute({ id: userId })
      return user
    },
    async lock(userId) {
      const [user] = await statements.lock.execute({ id: userId })
      return user
    },
    async after(userId, rows) {
      return statements.after.execute({ id: userId, limit: rows })
    },
    async window(offset, rows) {
      return statements.window.execute({ offset, limit: rows })
    },
    async count() {
      const [row] = await statements.count.execute()
      return Number(row?.total)
    },
    async update(userId, { name = null, email = null, phone = null }) {
      const [header] = await statements.update.execute({ id: userId, name, email, phone })
      return matched(header)
    },
    async delete(userId) {
      const [header] = await statements.delete.execute({ id: userId })
      return matched(header)
    },
  }
}

/** What Drizzle uses of a connection: every statement that it runs passes here. */
function observed(connection: Connection, observer: StatementObserver): PromiseConnection {
  return Object.assign(connection.promise(), {
    query: (options: QueryOptions, values: unknown[]) =>
      observer.statement(options.sql, async () => [await execute(connection, options, values)]),
  })
}

// mysql2 asks for FOUND_ROWS, so an update that changes nothing still counts its row.
function matched(header: ResultSetHeader): boolean {
  return header.affectedRows > 0
}

function buildStatements(db: MySql2Database) {
  // Late row lookup: the offset is walked over the index alone, then only the page's rows are read.
  const ids = db
    .select({ id: users.id })
    .from(users)
    .orderBy(asc(users.id))
    .limit(limit)
    .offset(sql.placeholder('offset'))
    .as('page')
  const { id: userId, name, email, phone, createdAt } = users
  const columns = { id: userId, name, email, phone, createdAt }
  return {
    insert: db
      .insert(users)
      .values({
        name: sql.placeholder('name'),
        email: sql.placeholder('email'),
        phone: sql.placeholder('phone'),
        createdAt: sql.placeholder('createdAt'),
      })
      .prepare(),
    find: db.select(columns).from(users).where(eq(users.id, id)).prepare(),
    lock: db.select(columns).from(users).where(eq(users.id, id)).for('update').prepare(),
    after: db
      .select(columns)
      .from(users)
      .where(gt(users.id, id))
      .orderBy(asc(users.id))
      .limit(limit)
      .prepare(),
    window: db
      .select(columns)
      .from(users)
      .innerJoin(ids, eq(users.id, ids.id))
      .orderBy(asc(users.id))
      .prepare(),
    count: db
      .select({ total: sql<string>`count(*)` })
      .from(users)
      .prepare(),
    update: db
      .update(users)
      .set({
        name: sql`coalesce(${sql.placeholder('name')}, ${users.name})`,
        email: sql`coalesce(${sql.placeholder('email')}, ${users.email})`,
        phone: sql`coalesce(${sql.placeholder('phone')}, ${users.phone})`,
      })
      .where(eq(users.id, id))
      .prepare(),
    delete: db.delete(users).where(eq(users.id, id)).prepare(),
  }
}
