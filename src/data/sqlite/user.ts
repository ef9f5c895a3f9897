import type { AsyncRemoteCallback, SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy'
import { drizzleOrm } from '../drizzle.ts'
import { sqliteProxy } from './drizzle.ts'
import type { UserQueries } from '../queries.ts'
import { users } from './schema/user.ts'

const { asc, eq, gt, inArray, sql } = drizzleOrm
const id = sql.placeholder('id')
const limit = sql.placeholder('limit')
const { id: idColumn, name, email, phone, createdAt } = users
const columns = { id: idColumn, name, email, phone, createdAt }

/** Builds the statements of the users table on the one connection. */
export function sqliteUserQueries(execute: AsyncRemoteCallback): UserQueries {
  const db = sqliteProxy.drizzle(execute)
  const statements = buildStatements(db)
  return {
    async insert(user) {
      const row = await statements.insert.get({ ...user })
      return row.id
    },
    async insertMany(rows) {
      const values = rows.map((row) => ({ id: sql`null`, ...row }))
      return db.insert(users).values(values).returning({ id: users.id, email })
    },
    async find(userId) {
      return statements.find.get({ id: userId })
    },
    async findMany(userIds) {
      return db
        .select(columns)
        .from(users)
        .where(inArray(users.id, [...userIds]))
    },
    async findByEmails(emails) {
      return db
        .select(columns)
        .from(users)
        .where(inArray(users.email, [...emails]))
    },
    // Other writers of the file wait for the end of this transaction.
    async lock(userId) {
      return statements.find.get({ id: userId })
    },
    async after(userId, rows) {
      return statements.after.all({ id: userId, limit: rows })
    },
    async window(offset, rows) {
      return statements.window.all({ offset, limit: rows })
    },
    async count() {
      const row = await statements.count.get()
      return Number(row?.total)
    },
    async update(userId, { name = null, email = null, phone = null }) {
      return (await statements.update.all({ id: userId, name, email, phone })).length > 0
    },
    async delete(userId) {
      return (await statements.delete.all({ id: userId })).length > 0
    },
  }
}

function buildStatements(db: SqliteRemoteDatabase) {
  const ids = db
    .select({ id: users.id })
    .from(users)
    .orderBy(asc(users.id))
    .limit(limit)
    .offset(sql.placeholder('offset'))
    .as('page')
  return {
    insert: db
      .insert(users)
      .values({
        // SQLite gives the id.
        id: sql`null`,
        name: sql.placeholder('name'),
        email: sql.placeholder('email'),
        phone: sql.placeholder('phone'),
        createdAt: sql.placeholder('createdAt'),
      })
      .returning({ id: users.id })
      .prepare(),
    find: db.select(columns).from(users).where(eq(users.id, id)).prepare(),
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
      .select({ total: sql<bigint>`count(*)` })
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
      .returning({ id: users.id })
      .prepare(),
    delete: db.delete(users).where(eq(users.id, id)).returning({ id: users.id }).prepare(),
  }
}
