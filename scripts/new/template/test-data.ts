import type { Field, Resource } from '../field.ts'
import { capital } from './biz.ts'
import { domainSample } from './test-biz.ts'

/** The tests of the repository of a resource, on both databases. */
export function testData(resource: Resource): string {
  const { noun, fields, unique } = resource
  const { kebab, camel, pascal, words, many, a } = noun
  const optional = fields.filter(({ isOptional }) => isOptional)
  return `import { isDeepStrictEqual } from 'node:util'
import { test, type Test } from 'tap'
import type { New${pascal}, ${pascal}Repo } from '../../src/biz/${kebab}.ts'
import { ${camel}Repo } from '../../src/data/${kebab}.ts'
import { cached${many.pascal} } from '../../src/data/redis/${kebab}.ts'
import type { Database } from '../../src/data/database.ts'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { sqliteDatabase } from '../../src/data/sqlite/database.ts'
import { freshMysqlDatabase, freshSqlitePath } from '../help/db.ts'
import { started } from '../help/started.ts'

const signal = new AbortController().signal

const databases: Record<string, (t: Test) => Promise<Database>> = {
  SQLite: async (t) => sqliteDatabase(freshSqlitePath(t)),
  MySQL: async (t) =>
    mysqlDatabase({
      source: await freshMysqlDatabase(t),
      pool: { size: 10, maxWaiting: 1024, waitMs: 30_000 },
    }),
}

/** ${capital(a)} whose values the number tells from those of others. */
function new${pascal}(n: number): New${pascal} {
  return {
    ${fields.map((field) => `${field.camel}: ${domainSample(field, 'n')},`).join('\n    ')}
    createdAt: new Date(1_700_000_000_123),
  }
}

/** Runs a test on each database, which is empty. */
function suite(title: string, run: (t: Test, ${many.camel}: ${pascal}Repo) => Promise<void>): void {
  for (const [name, open] of Object.entries(databases))
    test(\`\${title} (\${name})\`, async (t) => {
      const db = await open(t)
      t.teardown(() => db.close())
      await run(t, ${camel}Repo(await started(db)))
    })
}

suite('a stored ${words} is found as it was stored', async (t, ${many.camel}) => {
  const extreme: New${pascal} = {
    ...new${pascal}(2),
    ${fields.map((field) => `${field.camel}: ${field.kind.extreme},`).join('\n    ')}
  }
  for (const ${camel} of [new${pascal}(1), extreme${optional.length > 0 ? ', without(3)' : ''}]) {
    const id = await ${many.camel}.insert(${camel}, signal)
    const found = await ${many.camel}.find(id, signal)
    t.strictSame(found, { id, ...${camel} })
    const cached = cached${many.pascal}.decode(cached${many.pascal}.encode({ id, ...${camel} }))
    t.strictSame(cached, found, 'and so does Redis give it')
  }
})
${optional.length > 0 ? withoutValues(pascal, optional, a) : ''}
suite('${a} that does not exist is undefined, or false', async (t, ${many.camel}) => {
  t.equal(await ${many.camel}.find(42n, signal), undefined)
  t.equal(await ${many.camel}.update(42n, new${pascal}(1), signal), undefined)
  t.equal(await ${many.camel}.delete(42n, signal), false)
})

suite('an update changes what it is given, and nothing else', async (t, ${many.camel}) => {
  const id = await ${many.camel}.insert(new${pascal}(1), signal)
  const { createdAt, ...given } = new${pascal}(2)
  t.strictSame(await ${many.camel}.update(id, {}, signal), { id, ...new${pascal}(1) })
  t.strictSame(await ${many.camel}.update(id, given, signal), { id, createdAt, ...given })
${fields
  .map(
    (field) => `  const update = { ${field.camel}: new${pascal}(3).${field.camel} }
  t.match(await ${many.camel}.update(id, update, signal), update)`,
  )
  .slice(0, 1)
  .join('\n')}
${optional.map(({ camel: field }) => `  t.match(await ${many.camel}.update(id, { ${field}: null }, signal), { ${field}: null })`).join('\n')}
})

suite('each of 20 concurrent updates answers what it wrote, whole', async (t, ${many.camel}) => {
  const id = await ${many.camel}.insert(new${pascal}(0), signal)
  const writes = Array.from({ length: 20 }, (_, i) => new${pascal}(i + 1))
  const answers = await Promise.all(writes.map((write) => ${many.camel}.update(id, write, signal)))
  t.strictSame(
    answers,
    writes.map((write) => ({ id, ...write })),
  )
  const last = await ${many.camel}.find(id, signal)
  t.ok(answers.some((answer) => isDeepStrictEqual(answer, last)))
})
${unique.map((field) => takenOnce(resource, field)).join('')}
suite('${many.words} come by ascending id, after an id', async (t, ${many.camel}) => {
  const ids: bigint[] = []
  for (const n of [5, 4, 3, 2, 1]) ids.push(await ${many.camel}.insert(new${pascal}(n), signal))
  const after = async (id: bigint, limit: number) =>
    (await ${many.camel}.after(id, limit, signal)).map((${camel}) => ${camel}.id)
  t.strictSame(await after(0n, 9), ids)
  t.strictSame(await after(ids[1] ?? 0n, 2), ids.slice(2, 4))
  t.strictSame(await after(2n ** 63n - 1n, 2), [])
})

suite('the id of a deleted ${words} is not given again', async (t, ${many.camel}) => {
  const id = await ${many.camel}.insert(new${pascal}(1), signal)
  t.equal(await ${many.camel}.delete(id, signal), true)
  t.ok((await ${many.camel}.insert(new${pascal}(1), signal)) > id)
})

suite('a call whose signal has aborted fails with its reason', async (t, ${many.camel}) => {
  const reason = new Error('given up')
  t.equal(await t.rejects(${many.camel}.find(1n, AbortSignal.abort(reason))), reason)
})
`
}

function withoutValues(pascal: string, optional: readonly Field[], a: string): string {
  return `
/** ${capital(a)} that has only what it must have. */
function without(n: number): New${pascal} {
  return { ...new${pascal}(n), ${optional.map(({ camel }) => `${camel}: null`).join(', ')} }
}
`
}

function takenOnce({ noun }: Resource, field: Field): string {
  const { pascal, upper, many } = noun
  const { camel, snake, kind } = field
  const json = kind.domain === 'string' ? `same.${camel}` : `String(same.${camel})`
  const nulls = field.isOptional
    ? `
  for (const n of [4, 5])
    t.ok(await ${many.camel}.insert({ ...new${pascal}(n), ${camel}: null }, signal), 'none is no value')`
    : ''
  return `
suite('the ${field.words} of ${noun.a} is taken once, by create and by update', async (t, ${many.camel}) => {
  const same = { ${camel}: new${pascal}(1).${camel} }
  const first = await ${many.camel}.insert(new${pascal}(1), signal)
  const second = await ${many.camel}.insert(new${pascal}(2), signal)
  const taken = {
    kind: 'already_exists',
    reason: '${upper}_ALREADY_EXISTS',
    metadata: { ${snake}: ${json} },
  }
  t.match(await t.rejects(${many.camel}.insert({ ...new${pascal}(3), ...same }, signal)), taken)
  t.match(await t.rejects(${many.camel}.update(second, same, signal)), taken)
  t.strictSame(await ${many.camel}.find(second, signal), { id: second, ...new${pascal}(2) })
  t.match(await ${many.camel}.update(first, same, signal), same, 'its own is free')${nulls}
})
`
}
