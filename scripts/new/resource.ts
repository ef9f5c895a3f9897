import { globSync } from 'node:fs'
import { provide } from '../on-demand.ts'
import { project } from '../tool.ts'
import { derive } from './derive.ts'
import { nounOf } from './noun.ts'
import { type Resource, resourceOf } from './field.ts'
import { changes, newFiles } from './plan.ts'
import { read, requireClean, requireFree, write } from './tree.ts'

interface ResourceOptions {
  name: string
  fields: readonly string[]
  plural: string | undefined
  dryRun: boolean
}

/** Writes a resource into the project, and gives what to tell. Throws Refusal. */
export function newResource({ name, fields, plural, dryRun }: ResourceOptions): string {
  const resource = resourceOf(nounOf(name, plural), fields)
  const added = newFiles(resource, nextOption())
  requireFree(Object.keys(added))
  const edited = Object.entries(changes(resource)).map(([path, change]) => {
    const before = read(path)
    return { path, before, after: change(before) }
  })
  const changed = edited.filter(({ before, after }) => before !== after)
  const paths = { added: Object.keys(added), changed: changed.map(({ path }) => path) }
  if (dryRun) return `${told(paths)}\n\nNothing was written (--dry-run).`
  requireClean()
  // Before anything is written, since it may fail.
  provide('drizzle-kit')
  write({ ...added, ...Object.fromEntries(changed.map(({ path, after }) => [path, after])) })
  const migrations = derive(
    resource.noun,
    [...paths.added, ...paths.changed].filter((path) => path.endsWith('.ts')),
  )
  return `${told({ ...paths, added: [...paths.added, ...migrations] })}\n\n${next(resource, migrations)}`
}

/** Methods list the reasons of each noun by an option with a number of its own. */
function nextOption(): number {
  const numbers = globSync('proto/api/*/v1/error_reason.proto', { cwd: project }).flatMap((path) =>
    [...read(path).matchAll(/^ {2}repeated ErrorReason errors = (\d+);$/gm)].map(([, number]) =>
      Number(number),
    ),
  )
  return Math.max(...numbers) + 10
}

function told({
  added,
  changed,
}: {
  added: readonly string[]
  changed: readonly string[]
}): string {
  const generated = [
    'src/gen',
    'docs/openapi.json',
    'docs/settings.md',
    'migrations/*/meta',
    'the schema of the chart',
  ]
  return [
    'New:',
    ...added.map((path) => `  ${path}`),
    'Changed:',
    ...changed.map((path) => `  ${path}`),
    'Generated from these:',
    ...generated.map((path) => `  ${path}`),
  ].join('\n')
}

function next({ noun }: Resource, migrations: readonly string[]): string {
  const { snake, kebab, many } = noun
  return `Next:
  1. Read proto/api/${snake}/v1/${snake}.proto: say there what ${many.words} are, and give the fields the rules that
     their meaning has; then \`npm run gen\` and \`npm run openapi -- --write\`.
  2. Read ${migrations.join(' and ')}.
  3. git add -A && npm run check
  4. npx node scripts/test.ts test/biz/${kebab}.test.ts test/data/${kebab}.test.ts test/e2e/${kebab}.test.ts
  5. npm start, and: curl localhost:8000/v1/${many.kebab}
To undo all of it: git restore --staged --worktree . && git clean -fd migrations proto src test
A database that has run the migration keeps its table: delete data/user-service.db*, or drop the table and its row
of schema_migrations, before making the noun again with other fields.`
}
