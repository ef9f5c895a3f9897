import type { Field, Resource } from '../field.ts'

/** The names of all columns in TypeScript. */
export function schemaNames(fields: readonly Field[]): string[] {
  return ['id', ...fields.map(({ camel }) => camel), 'createdAt']
}

/** The table of a resource in MySQL. */
export function mysqlSchema(resource: Resource): string {
  const { noun, fields, unique } = resource
  const { many } = noun
  const froms = new Set([
    'bigint',
    'datetime',
    'mysqlTable',
    ...fields.map(({ kind }) => kind.mysql.from),
  ])
  const isText = froms.delete('binaryVarchar')
  if (unique.length > 0) froms.add('uniqueIndex')
  return `import { drizzleOrm } from '../../drizzle.ts'
import { mysqlCore } from '../drizzle.ts'
${isText ? `import { binaryVarchar } from './columns.ts'\n` : ''}
const { sql } = drizzleOrm
const { ${[...froms].toSorted().join(', ')} } = mysqlCore

/** The ${many.words} of MySQL. */
export const ${many.camel} = mysqlTable(
  '${many.snake}',
  {
    id: bigint('id', { mode: 'bigint' }).autoincrement().primaryKey(),
    ${fields.map((field) => `${field.camel}: ${field.kind.mysql.column(field.snake)}${notNull(field)},`).join('\n    ')}
    createdAt: datetime('created_at', { mode: 'date', fsp: 3 })
      .notNull()
      .default(sql\`CURRENT_TIMESTAMP(3)\`),
  },
  ${keys(resource)}
)
`
}

/** The table of a resource in SQLite. */
export function sqliteSchema(resource: Resource): string {
  const { noun, fields, unique } = resource
  const { many } = noun
  const own = new Set(['bigInteger', 'epochMs'])
  const froms = new Set(['sqliteTable'])
  for (const { kind } of fields) (isOwn(kind.sqlite.from) ? own : froms).add(kind.sqlite.from)
  if (unique.length > 0) froms.add('uniqueIndex')
  return `import { drizzleOrm } from '../../drizzle.ts'
import { sqliteCore } from '../drizzle.ts'
import { ${[...own].toSorted().join(', ')} } from './columns.ts'

const { sql } = drizzleOrm
const { ${[...froms].toSorted().join(', ')} } = sqliteCore

/** The ${many.words} of SQLite. */
export const ${many.camel} = sqliteTable(
  '${many.snake}',
  {
    id: bigInteger('id').primaryKey(),
    ${fields.map((field) => `${field.camel}: ${field.kind.sqlite.column(field.snake)}${notNull(field)},`).join('\n    ')}
    createdAt: epochMs('created_at')
      .notNull()
      .default(sql\`(cast(unixepoch('subsec') * 1000 as integer))\`),
  },
  ${keys(resource)}
)
`
}

function isOwn(column: string): boolean {
  return ['bigInteger', 'epochMs', 'smallInteger'].includes(column)
}

function notNull({ isOptional }: Field): string {
  return isOptional ? '' : '.notNull()'
}

function keys({ noun, unique }: Resource): string {
  if (unique.length === 0) return ''
  const each = unique.map(
    ({ snake, camel }) => `uniqueIndex('${noun.many.snake}_${snake}_unique').on(table.${camel})`,
  )
  return `(table) => [${each.join(', ')}],`
}

/** What a resource adds to `queries.ts` of src/data. */
export function queriesInterface({ noun }: Resource): string {
  const { camel, pascal, many } = noun
  return `/** The statements of the ${many.snake} table on one connection; each is built once. */
export interface ${pascal}Queries extends OnConnection<Omit<${pascal}Repo, 'update'>> {
  /** As \`find\`, of a row that until the end of the transaction only this one can change. */
  lock(id: bigint): Promise<${pascal} | undefined>
  /** Stores all fields of ${noun.a} that is there. */
  update(${camel}: ${pascal}): Promise<void>
}`
}
