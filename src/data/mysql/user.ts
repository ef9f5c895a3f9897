import type { ResultSetHeader } from 'mysql2'
import { drizzleOrm } from '../drizzle.ts'
import { mysqlDriver } from './drizzle.ts'
import type { NewUser, User } from '../../biz/user.ts'
import { kindNumber } from '../changes/source.ts'
import type { UserQueries } from '../queries.ts'
import type { Shared } from '../statement-observer.ts'
import { changeStatements } from './changes.ts'
import type { Runner } from './execute.ts'
import { userChanges } from './schema/user-changes.ts'
import { users } from './schema/user.ts'
import { keyed, rowReader, sized, statement } from './statement.ts'

const { asc, eq, gt, inArray, sql } = drizzleOrm
const id = sql.placeholder('id')
const limit = sql.placeholder('limit')
const offset = sql.placeholder('offset')
const { id: userId, name, email, phone, createdAt } = users
/** Above this offset late row lookup costs the server less than the rows that it saves. */
const lateFrom = 1000
const columns = { id: userId, name, email, phone, createdAt }
const userOf = rowReader(columns)

const keyColumns = { id: userId, email }
const storedOf = rowReader(keyColumns)
const returning = ` returning \`${userId.name}\`, \`${email.name}\``

/** The statements of the users table, by what runs them on one connection. */
export function mysqlUserQueries(run: Runner): UserQueries {
  const { insert, insertSized, atOnce, recorded, keysByEmails, byEmails, ...others } = statements()
  const { find, findMany, lock, after, window, farWindow, count, update, remove } = others

  async function rows(sql: string, values: unknown[], shared?: Shared): Promise<User[]> {
    return (await run.rows(sql, values, shared)).map(userOf)
  }
  async function insertedAtOnce(user: NewUser): Promise<bigint> {
    const created = { kind: kindNumber('created') }
    const values = [...insert.parameters({ ...user }), ...recorded.parameters(created)]
    const [returned] = await run.rows(atOnce, values)
    const [row] = returned as string[][]
    return BigInt(row?.[0] ?? '')
  }
  return {
    async insert(user) {
      const { insertId } = await run.change(insert.sql, insert.parameters({ ...user }))
      return BigInt(insertId)
    },
    insertRecorded: (user) => (run.isMariaDb() ? insertedAtOnce(user) : undefined),
    async insertMany(users, shared) {
      const sql = insertSized(users.length)
      const values = users.flatMap((user) => insert.parameters({ ...user }))
      if (run.isMariaDb())
        return (await run.rows(`${sql}${returning}`, values, shared)).map(storedOf)
      await run.change(sql, values, shared)
      // Not by counting from the first id: where there are several primaries, there are gaps.
      const known = keysByEmails(users.map(({ email }) => email))
      return (await run.rows(known.sql, known.values)).map(storedOf)
    },
    find: async (id) => (await rows(find.sql, [id]))[0],
    async findMany(ids, shared) {
      const { sql, values } = findMany(ids)
      return rows(sql, values, shared)
    },
    async findByEmails(emails) {
      const { sql, values } = byEmails(emails)
      return rows(sql, values)
    },
    lock: async (id) => (await rows(lock.sql, [id]))[0],
    after: (id, limit, shared) => rows(after.sql, after.parameters({ id, limit }), shared),
    window(offset, limit, shared) {
      const { sql, parameters } = offset < lateFrom ? window : farWindow
      return rows(sql, parameters({ offset, limit }), shared)
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

let changes: ReturnType<typeof changeStatements> | undefined

/** The texts of the statements of the history of users. */
export function userChangeStatements(): ReturnType<typeof changeStatements> {
  return (changes ??= changeStatements(userChanges))
}

let built: ReturnType<typeof build> | undefined

/** They are built when MySQL is first used, since a service on SQLite does without. */
function statements() {
  return (built ??= build())
}

/**
 * One statement of several, for MariaDB. What a first run has left open is undone, where the server asks
 * in the middle for the statement to be prepared again.
 */
function inOneTransaction(...texts: string[]): string {
  return `begin not atomic rollback; start transaction; ${texts.join('; ')}; commit; end`
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
  const insert = statement(db.insert(users).values(row))
  const recorded = userChangeStatements().insertOfInserted
  return {
    insert,
    recorded,
    atOnce: inOneTransaction(`${insert.sql} returning \`${userId.name}\``, recorded.sql),
    insertSized: sized((rows) => db.insert(users).values(Array.from({ length: rows }, () => row))),
    keysByEmails: keyed((keys) =>
      db.select(keyColumns).from(users).where(inArray(users.email, keys)),
    ),
    byEmails: keyed((keys) => rows().where(inArray(users.email, keys))),
    find: statement(rows().where(eq(users.id, id))),
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
