import type { ResultSetHeader } from 'mysql2'
import { drizzleOrm } from '../drizzle.ts'
import { mysqlDriver } from './drizzle.ts'
import type { NewUser } from '../../biz/user.ts'
import { inOrder, type UserQueries } from '../queries.ts'
import type { Shared } from '../statement-observer.ts'
import type { Runner } from './execute.ts'
import { users } from './schema.ts'
import { keyed, selection, sized, statement } from './statement.ts'

const { asc, eq, gt, inArray, sql } = drizzleOrm
const id = sql.placeholder('id')
const limit = sql.placeholder('limit')
const offset = sql.placeholder('offset')
const { id: userId, name, email, phone, createdAt } = users
/** Above this offset late row lookup costs the server less than the rows that it saves. */
const lateFrom = 1000
const columns = { id: userId, name, email, phone, createdAt }

const keyColumns = { id: userId, email }
const returning = ` returning \`${userId.name}\`, \`${email.name}\``

/** The statements of the users table, by what runs them and a transaction on one connection. */
export function mysqlUserQueries(
  run: Runner,
  transaction: <T>(work: () => Promise<T>) => Promise<T>,
): UserQueries {
  const { insert, insertMany, insertSized, byEmails, stored, ...reads } = statements()
  const { find, findMany, lock, after, window, farWindow, count, update, remove } = reads
  const insertGroup = async (rows: readonly NewUser[], shared?: Shared): Promise<unknown[][]> => {
    const sql = insertSized(rows.length)
    const values = rows.flatMap((row) => insert.parameters({ ...row }))
    if (run.isMariaDb()) return run.rows(`${sql}${returning}`, values, shared)
    return transaction(async () => {
      await run.change(sql, values, shared)
      const known = byEmails(rows.map(({ email }) => email))
      return run.rows(known.sql, known.values)
    })
  }
  return {
    async insert(user) {
      const { insertId } = await run.change(insert.sql, insert.parameters({ ...user }))
      return BigInt(insertId)
    },
    async insertMany(rows) {
      const { sql, parameters } = insertMany(rows)
      await run.change(sql, parameters({}))
    },
    async insertGroup(rows, shared) {
      // Not by counting from the first id: where there are several primaries, there are gaps.
      return inOrder(rows, (await insertGroup(rows, shared)).map(stored.row))
    },
    async find(id) {
      const [row] = await run.rows(find.sql, [id])
      return row && find.row(row)
    },
    async findMany(ids, shared) {
      const { sql, values } = findMany(ids)
      const rows = await run.rows(sql, values, shared)
      return rows.map(find.row)
    },
    async lock(id) {
      const [row] = await run.rows(lock.sql, [id])
      return row && find.row(row)
    },
    async after(id, limit) {
      const rows = await run.rows(after.sql, after.parameters({ id, limit }))
      return rows.map(find.row)
    },
    async window(offset, limit) {
      const { sql, parameters } = offset < lateFrom ? window : farWindow
      const rows = await run.rows(sql, parameters({ offset, limit }))
      return rows.map(find.row)
    },
    async count() {
      const [row] = await run.rows(count.sql, [])
      return Number(row?.[0])
    },
    async update(id, { name = null, email = null, phone = null }) {
      return matched(await run.change(update.sql, update.parameters({ id, name, email, phone })))
    },
    async delete(id) {
      return matched(await run.change(remove.sql, [id]))
    },
  }
}

// mysql2 asks for FOUND_ROWS, so an update that changes nothing still counts its row.
function matched(header: ResultSetHeader): boolean {
  return header.affectedRows > 0
}

let built: ReturnType<typeof build> | undefined

/** They are built when MySQL is first used, since a service on SQLite does without. */
function statements() {
  return (built ??= build())
}

function build() {
  const db = mysqlDriver.drizzle.mock()
  const rows = () => db.select(columns).from(users)
  // Late row lookup: the offset is walked over the index alone, then only the page's rows are read.
  const ids = db
    .select({ id: users.id })
    .from(users)
    .orderBy(asc(users.id))
    .limit(limit)
    .offset(offset)
    .as('page')
  const row = {
    name: sql.placeholder('name'),
    email: sql.placeholder('email'),
    phone: sql.placeholder('phone'),
    createdAt: sql.placeholder('createdAt'),
  }
  return {
    insert: statement(db.insert(users).values(row)),
    insertMany: (rows: NewUser[]) => statement(db.insert(users).values(rows)),
    insertSized: sized((rows) => db.insert(users).values(Array.from({ length: rows }, () => row))),
    stored: selection(keyColumns, db.select(keyColumns).from(users)),
    byEmails: keyed((keys) => db.select(keyColumns).from(users).where(inArray(users.email, keys))),
    find: selection(columns, rows().where(eq(users.id, id))),
    findMany: keyed((keys) => rows().where(inArray(users.id, keys))),
    lock: statement(rows().where(eq(users.id, id)).for('update')),
    after: statement(rows().where(gt(users.id, id)).orderBy(asc(users.id)).limit(limit)),
    window: statement(rows().orderBy(asc(users.id)).limit(limit).offset(offset)),
    farWindow: statement(rows().innerJoin(ids, eq(users.id, ids.id)).orderBy(asc(users.id))),
    count: statement(db.select({ total: sql`count(*)` }).from(users)),
    update: statement(
      db
        .update(users)
        .set({
          name: sql`coalesce(${sql.placeholder('name')}, ${users.name})`,
          email: sql`coalesce(${sql.placeholder('email')}, ${users.email})`,
          phone: sql`coalesce(${sql.placeholder('phone')}, ${users.phone})`,
        })
        .where(eq(users.id, id)),
    ),
    remove: statement(db.delete(users).where(eq(users.id, id))),
  }
}
