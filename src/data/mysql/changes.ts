import type { MySqlColumn, MySqlTable } from 'drizzle-orm/mysql-core'
import {
  type AgedRow,
  type ChangeQueries,
  kindNumber,
  kindOf,
  type NewChange,
} from '../changes/source.ts'
import { powersOfTwo } from '../batch/powers-of-two.ts'
import { drizzleOrm } from '../drizzle.ts'
import { mysqlDriver } from './drizzle.ts'
import type { Runner } from './execute.ts'
import { sized, statement } from './statement.ts'

const { and, asc, desc, gte, lt, lte, sql } = drizzleOrm
const placeholder = sql.placeholder.bind(sql)

/** The columns of a history. */
interface ChangeTable {
  seq: MySqlColumn
  id: MySqlColumn
  kind: MySqlColumn
  at: MySqlColumn
}

/** Takes the texts of the statements of a history; a noun keeps them. */
export function changeStatements(table: MySqlTable & ChangeTable) {
  const db = mysqlDriver.drizzle.mock()
  const { seq, id, kind, at } = table
  const ageMs = sql`timestampdiff(microsecond, ${at}, current_timestamp(3)) div 1000`
  const row = { id: placeholder('id'), kind: placeholder('kind') }
  const rows = db.select({ seq, id, kind, at }).from(table)
  const aged = () => db.select({ seq, at, ageMs }).from(table)
  const limit = placeholder('limit')
  return {
    /** Records the row that the statement before has inserted. */
    insertOfInserted: statement(
      db.insert(table).values({ id: sql`last_insert_id()`, kind: placeholder('kind') }),
    ),
    insert: sized((count) => db.insert(table).values(Array.from({ length: count }, () => row))),
    between: statement(
      rows
        .where(and(gte(seq, placeholder('first')), lte(seq, placeholder('last'))))
        .orderBy(asc(seq))
        .limit(limit),
    ),
    newest: statement(
      aged()
        .where(lt(seq, placeholder('before')))
        .orderBy(desc(seq))
        .limit(limit),
    ),
    oldest: statement(aged().orderBy(asc(seq)).limit(limit)),
    removeBefore: statement(db.delete(table).where(lt(seq, placeholder('before')))),
  }
}

/** The statements of a history, by what runs them on one connection. */
export function mysqlChangeQueries(
  run: Runner,
  statements: ReturnType<typeof changeStatements>,
): ChangeQueries {
  const { insert, between, newest, oldest, removeBefore } = statements

  return {
    async insert(changes: readonly NewChange[]) {
      for (const part of powersOfTwo(changes))
        await run.change(
          insert(part.length),
          part.flatMap(({ id, kind }) => [id, kindNumber(kind)]),
        )
    },
    async between(first, last, limit) {
      const rows = await run.rows(between.sql, between.parameters({ first, last, limit }))
      return rows.map(([seq, id, kind, at]) => ({
        seq: BigInt(seq as string),
        id: BigInt(id as string),
        kind: kindOf(Number(kind)),
        at: (at as Date).getTime(),
      }))
    },
    newest: (before, limit) => aged(run.rows(newest.sql, newest.parameters({ before, limit }))),
    oldest: (limit) => aged(run.rows(oldest.sql, oldest.parameters({ limit }))),
    async removeBefore(before) {
      await run.change(removeBefore.sql, removeBefore.parameters({ before }))
    },
  }
}

/** Rows with their age. */
async function aged(rows: Promise<unknown[][]>): Promise<AgedRow[]> {
  return (await rows).map(([seq, at, ageMs]) => ({
    seq: BigInt(seq as string),
    at: (at as Date).getTime(),
    ageMs: Number(ageMs),
  }))
}
