import type { Resource } from '../field.ts'
import { capital } from './biz.ts'

/** The repository of a resource, in either database. */
export function data({ noun, unique }: Resource): string {
  const { camel, pascal, many } = noun
  const taken = unique.length > 0
  const errors = taken ? `import { DomainError, type ReasonOf } from '../biz/error.ts'\n` : ''
  const reasons = taken
    ? `import type { ErrorReason } from '../gen/api/${noun.snake}/v1/error_reason_pb.ts'\n`
    : ''
  const types = taken ? `${pascal}Fields, ${pascal}Repo` : `${pascal}Repo`
  const wrapped = (fields: string, write: string) =>
    taken ? `unlessTaken(${fields}, ${write})` : write
  return `${errors}import type { ${types} } from '../biz/${noun.kebab}.ts'
${reasons}import { type Changed, notedWrites } from './changes/noted-writes.ts'
import type { Database } from './database.ts'
${taken ? `import { UniqueViolation } from './error.ts'\n` : ''}import type { Reads } from './read-replica.ts'

interface ${pascal}RepoOptions {
  /** Gives the lists, and may lag behind; left out: the database. */
  reads?: Reads
  /** Told of the ${many.words} that writes have changed. */
  changed?: Changed | undefined
}

/** ${capital(many.words)} in either database. */
export function ${camel}Repo(db: Database, options: ${pascal}RepoOptions = {}): ${pascal}Repo {
  const { reads = db, changed } = options
  const tx = notedWrites(db, changed)
  return {
    insert: (${camel}, signal) => {
      const stored = tx(signal, async ({ ${many.camel} }, note) => {
        const id = await ${many.camel}.insert(${camel})
        note([id])
        return id
      })
      return ${wrapped(camel, 'stored')}
    },
    find: (id, signal) => db.use(signal, ({ ${many.camel} }) => ${many.camel}.find(id)),
    after: (id, limit, signal) =>
      reads.use(signal, ({ ${many.camel} }) => ${many.camel}.after(id, limit)),
    update: (id, changes, signal) => {
      const stored = tx(signal, async ({ ${many.camel} }, note) => {
        const found = await ${many.camel}.lock(id)
        if (found === undefined) return undefined
        const ${camel} = { ...found, ...changes }
        await ${many.camel}.update(${camel})
        note([id])
        return ${camel}
      })
      return ${wrapped('changes', 'stored')}
    },
    delete: (id, signal) =>
      tx(signal, async ({ ${many.camel} }, note) => {
        const wasThere = await ${many.camel}.delete(id)
        if (wasThere) note([id])
        return wasThere
      }),
  }
}
${taken ? unlessTaken({ noun, unique, fields: [] }) : ''}`
}

function unlessTaken({ noun, unique }: Resource): string {
  const { pascal, many, upper, a } = noun
  const keys = unique.map(
    ({ snake, camel }) => `  ${many.snake}_${snake}_unique: ['${snake}', '${camel}'],`,
  )
  const [only] = unique
  const one = unique.length === 1 && only
  const named = one
    ? `message: '${a} with this ${one.words} exists',
      metadata: { ${one.snake}: String(fields.${one.camel}) },`
    : `message: \`${a} with this \${name} exists\`,
      metadata: { [name]: String(fields[field]) },`
  const table = one
    ? ''
    : `
/** The fields of which each value is taken once, by their keys in the database. */
const uniqueKeys: Readonly<Record<string, [name: string, field: keyof ${pascal}Fields]>> = {
${keys.join('\n')}
}
`
  const check = one
    ? `if (!(err instanceof UniqueViolation)) throw err`
    : `const taken = err instanceof UniqueViolation ? uniqueKeys[err.key] : undefined
    if (taken === undefined) throw err
    const [name, field] = taken`
  return `${table}
/** Fails with ${upper}_ALREADY_EXISTS where the database has found a value of a unique field taken. */
async function unlessTaken<T>(fields: Partial<${pascal}Fields>, write: Promise<T>): Promise<T> {
  try {
    return await write
  } catch (err) {
    ${check}
    throw new DomainError<ReasonOf<typeof ErrorReason>>({
      kind: 'already_exists',
      reason: '${upper}_ALREADY_EXISTS',
      ${named}
      cause: err,
    })
  }
}
`
}
