import type { Field, Resource } from '../field.ts'
import { schemaNames } from './schema.ts'

/** The statements of a resource for MySQL. */
export function mysql({ noun, fields }: Resource): string {
  const { camel, pascal, many } = noun
  const table = many.camel
  const rowValues = [...fields.map(({ camel }) => camel), 'createdAt']
  return `import { drizzleOrm } from '../drizzle.ts'
import type { ${pascal}Queries } from '../queries.ts'
import { mysqlDriver } from './drizzle.ts'
import type { Runner } from './execute.ts'
import { ${table} } from './schema/${noun.kebab}.ts'
import { rowReader, statement } from './statement.ts'

const { asc, eq, gt, sql } = drizzleOrm
const { placeholder } = sql
const columns = {
  ${schemaNames(fields)
    .map((name) => `${name}: ${table}.${name},`)
    .join('\n  ')}
}
const ${camel}Of = rowReader(columns)

/** The statements of the ${many.snake} table, by what runs them on one connection. */
export function mysql${pascal}Queries(run: Runner): ${pascal}Queries {
  const { insert, find, lock, after, update, remove } = statements()
  const rows = async (sql: string, values: unknown[]) =>
    (await run.rows(sql, values)).map(${camel}Of)
  return {
    async insert(${camel}) {
      const { insertId } = await run.change(insert.sql, insert.parameters({ ...${camel} }))
      return BigInt(insertId)
    },
    find: async (id) => (await rows(find.sql, [id]))[0],
    lock: async (id) => (await rows(lock.sql, [id]))[0],
    after: (id, limit) => rows(after.sql, after.parameters({ id, limit })),
    async update(${camel}) {
      await run.change(update.sql, update.parameters({ ...${camel} }))
    },
    async delete(id) {
      return (await run.change(remove.sql, [id])).affectedRows > 0
    },
  }
}

let built: ReturnType<typeof build> | undefined

/** They are built when ${noun.a} is first asked for. */
function statements() {
  return (built ??= build())
}

function build() {
  const db = mysqlDriver.drizzle.mock()
  const rows = () => db.select(columns).from(${table})
  const isGiven = eq(${table}.id, placeholder('id'))
  return {
    insert: statement(
      db.insert(${table}).values({
        ${rowValues.map((name) => `${name}: placeholder('${name}'),`).join('\n        ')}
      }),
    ),
    find: statement(rows().where(isGiven)),
    lock: statement(rows().where(isGiven).for('update')),
    after: statement(
      rows()
        .where(gt(${table}.id, placeholder('id')))
        .orderBy(asc(${table}.id))
        .limit(placeholder('limit')),
    ),
    update: statement(
      db
        .update(${table})
        .set({
          ${fields.map((field) => setting(table, field)).join('\n          ')}
        })
        .where(isGiven),
    ),
    remove: statement(db.delete(${table}).where(isGiven)),
  }
}
`
}

// Without its column a placeholder takes the value as the driver has it, and a time is none.
function setting(table: string, { camel }: Field): string {
  return `${camel}: sql\`\${sql.param(placeholder('${camel}'), ${table}.${camel})}\`,`
}
