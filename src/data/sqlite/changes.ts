import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import type { AsyncRemoteCallback } from 'drizzle-orm/sqlite-proxy'
import { type ChangeQueries, kindNumber, kindOf } from '../changes/source.ts'
import { drizzleOrm } from '../drizzle.ts'
import { powersOfTwo } from '../batch/powers-of-two.ts'
import { sqliteProxy } from './drizzle.ts'

const { and, asc, desc, gte, lt, lte, sql } = drizzleOrm
const placeholder = sql.placeholder.bind(sql)

/** A column of integers, which the connection reads as bigint. */
type Integer = SQLiteColumn & { _: { data: bigint; notNull: true } }

/** The columns of a history. */
interface ChangeTable {
  seq: Integer
  id: Integer
  kind: Integer
  at: SQLiteColumn & { _: { data: Date; notNull: true } }
}

/** Builds the statements of a history on the one connection. */
export function sqliteChangeQueries(
  execute: AsyncRemoteCallback,
  table: SQLiteTable & ChangeTable,
): ChangeQueries {
  const db = sqliteProxy.drizzle(execute)
  const { seq, id, kind, at } = table
  const ageMs = sql<bigint>`cast(unixepoch('subsec') * 1000 as integer) - ${at}`
  const aged = () => db.select({ seq, at, ageMs }).from(table)
  const limit = placeholder('limit')
  const between = db
    .select({ seq, id, kind, at })
    .from(table)
    .where(and(gte(seq, placeholder('first')), lte(seq, placeholder('last'))))
    .orderBy(asc(seq))
    .limit(limit)
    .prepare()
  const newest = aged()
    .where(lt(seq, placeholder('before')))
    .orderBy(desc(seq))
    .limit(limit)
    .prepare()
  const oldest = aged().orderBy(asc(seq)).limit(limit).prepare()
  const removeBefore = db
    .delete(table)
    .where(lt(seq, placeholder('before')))
    .prepare()

  return {
    async insert(changes) {
      for (const part of powersOfTwo(changes))
        await db.insert(table).values(
          // SQLite gives the number.
          part.map((each) => ({
            seq: sql`null`,
            id: each.id,
            kind: BigInt(kindNumber(each.kind)),
          })),
        )
    },
    async between(first, last, rows) {
      const found = await between.all({ first, last, limit: rows })
      return found.map((row) => ({
        ...row,
        kind: kindOf(Number(row.kind)),
        at: row.at.getTime(),
      }))
    },
    newest: async (before, rows) => (await newest.all({ before, limit: rows })).map(agedRow),
    oldest: async (rows) => (await oldest.all({ limit: rows })).map(agedRow),
    async removeBefore(before) {
      await removeBefore.run({ before })
    },
  }
}

function agedRow({ seq, at, ageMs }: { seq: bigint; at: Date; ageMs: bigint }) {
  return { seq, at: at.getTime(), ageMs: Number(ageMs) }
}
