import type { Field, Resource } from '../field.ts'

/** The tests of the rules of a resource. */
export function testBiz({ noun, fields }: Resource): string {
  const { kebab, snake, camel, pascal, upper, words, many, a } = noun
  const first = fields[0]
  return `import { test } from 'tap'
import {
  type ${pascal},
  type ${pascal}Fields,
  type ${pascal}Repo,
  ${camel}Usecase,
  type New${pascal},
} from '../../src/biz/${kebab}.ts'

const signal = new AbortController().signal
const at = new Date(1_700_000_000_000)
const fields: ${pascal}Fields = {
  ${fields.map((field) => `${field.camel}: ${domainSample(field, '1')},`).join('\n  ')}
}
const one: ${pascal} = { id: 1n, ...fields, createdAt: at }

/** Over the methods that a test expects to be called; a call of another fails. */
function usecase(repo: Partial<${pascal}Repo>) {
  return ${camel}Usecase(repo as ${pascal}Repo, () => at)
}

test('a new ${words} is stored with the time, and answered with its id', async (t) => {
  const stored: New${pascal}[] = []
  const ${many.camel} = usecase({ insert: async (${camel}) => BigInt(stored.push(${camel})) })
  t.strictSame(await ${many.camel}.create(fields, signal), one)
  t.strictSame(stored, [{ ...fields, createdAt: at }])
})

test('a missing ${words} is not_found with its id, for get, update and delete', async (t) => {
  const ${many.camel} = usecase({
    find: async () => undefined,
    update: async () => undefined,
    delete: async () => false,
  })
  const refusal = { kind: 'not_found', reason: '${upper}_NOT_FOUND', metadata: { ${snake}_id: '7' } }
  t.match(await t.rejects(${many.camel}.get(7n, signal)), refusal)
  t.match(await t.rejects(${many.camel}.update(7n, {}, signal)), refusal)
  t.match(await t.rejects(${many.camel}.delete(7n, signal)), refusal)
})

test('${a} that is there is given, changed and deleted', async (t) => {
  const changes: Partial<${pascal}Fields> = { ${first ? `${first.camel}: ${domainSample(first, '2')}` : ''} }
  const ${many.camel} = usecase({
    find: async (id) => ({ ...one, id }),
    update: async (id, given) => ({ ...one, id, ...given }),
    delete: async () => true,
  })
  t.strictSame(await ${many.camel}.get(2n, signal), { ...one, id: 2n })
  t.strictSame(await ${many.camel}.update(2n, changes, signal), { ...one, id: 2n, ...changes })
  t.equal(await ${many.camel}.delete(2n, signal), undefined)
})

test('a page has 20 ${many.words} unless asked, 100 at most, and tells where the next one starts', async (t) => {
  const rows = Array.from({ length: 150 }, (_, i) => ({ ...one, id: BigInt(i + 1) }))
  const ${many.camel} = usecase({
    after: async (id, limit) => rows.slice(Number(id), Number(id) + limit),
  })
  const cases = [
    { after: 0n, size: 0, length: 20, next: 20n },
    { after: 0n, size: 1, length: 1, next: 1n },
    { after: 0n, size: 2 ** 31 - 1, length: 100, next: 100n },
    { after: 100n, size: 50, length: 50, next: undefined },
    { after: 99n, size: 50, length: 50, next: 149n },
    { after: 150n, size: 50, length: 0, next: undefined },
  ]
  for (const { after, size, length, next } of cases) {
    const page = await ${many.camel}.list(after, size, signal)
    t.strictSame([page.${many.camel}.length, page.next], [length, next], \`\${size} after \${after}\`)
  }
})
`
}

/** A value of a field inside the service, told apart by a number. */
export function domainSample({ words, kind }: Field, n: string): string {
  const { domain } = kind.sample(words, n)
  // A template without a part that varies.
  return /^\d+$/.test(n) ? domain.replace(`\${${n}}\``, `${n}'`).replace(/^`/, "'") : domain
}
