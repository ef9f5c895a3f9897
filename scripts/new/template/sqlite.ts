import type { Resource } from '../field.ts'
import { schemaNames } from './schema.ts'

/** The statements of a resource for SQLite. */
export function sqlite({ noun, fields }: Resource): string {
  const { camel, pascal, many } = noun
  const table = many.camel
  return `import type { AsyncRemoteCallback, SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy'
import { drizzleOrm } from '../drizzle.ts'
import type { ${pascal}Queries } from '../queries.ts'
import { sqliteProxy } from './drizzle.ts'
import { ${table} } from './schema/${noun.kebab}.ts'

const { asc, eq, gt, sql } = drizzleOrm
const { placeholder } = sql
const columns = {
  ${schemaNames(fields)
    .map((name) => `${name}: ${table}.${name},`)
    .join('\n  ')}
}

/** Builds the statements of the ${many.snake} table on the one connection. */
export function sqlite${pascal}Queries(execute: AsyncRemoteCallback): ${pascal}Queries {
  const db = sqliteProxy.drizzle(execute)
  const { find, after, remove } = statements(db)
  return {
    async insert(${camel}) {
      // SQLite gives the id.
      const row = db.insert(${table}).values({ id: sql\`null\`, ...${camel} })
      const [stored] = await row.returning({ id: ${table}.id })
      if (stored === undefined) throw new Error('an insert has given no id')
      return stored.id
    },
    find: async (id) => find.get({ id }),
    // Other writers of the file wait for the end of this transaction.
    lock: async (id) => find.get({ id }),
    after: async (id, limit) => after.all({ id, limit }),
    async update({ id, ...${camel} }) {
      await db.update(${table}).set(${camel}).where(eq(${table}.id, id))
    },
    async delete(id) {
      return (await remove.all({ id })).length > 0
    },
  }
}

function statements(db: SqliteRemoteDatabase) {
  const rows = () => db.select(columns).from(${table})
  const isGiven = eq(${table}.id, placeholder('id'))
  return {
    find: rows().where(isGiven).prepare(),
    after: rows()
      .where(gt(${table}.id, placeholder('id')))
      .orderBy(asc(${table}.id))
      .limit(placeholder('limit'))
      .prepare(),
    remove: db.delete(${table}).where(isGiven).returning({ id: ${table}.id }).prepare(),
  }
}
`
}
