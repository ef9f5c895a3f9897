// What a new resource writes and changes, as texts: nothing here touches the disk.
import type { Resource } from './field.ts'
import {
  withEntry,
  withImport,
  withInterface,
  withLineBefore,
  withMember,
  withName,
  withProperty,
  withStatement,
} from './edit.ts'
import { ownColumns } from './kinds.ts'
import type { Noun } from './noun.ts'
import { appModule, appServices } from './template/app.ts'
import { biz, capital } from './template/biz.ts'
import { cacheKind, cacheProto } from './template/cache.ts'
import { contract } from './template/contract.ts'
import { data } from './template/data.ts'
import { mysql } from './template/mysql.ts'
import { mysqlSchema, queriesInterface, sqliteSchema } from './template/schema.ts'
import { reasons } from './template/reasons.ts'
import { service } from './template/service.ts'
import { sqlite } from './template/sqlite.ts'
import { testBiz } from './template/test-biz.ts'
import { testData } from './template/test-data.ts'
import { testE2e } from './template/test-e2e.ts'

/** The new files of a resource, by their paths; `option` as reasons has it. */
export function newFiles(resource: Resource, option: number): Record<string, string> {
  const { kebab, snake } = resource.noun
  return {
    [`proto/api/${snake}/v1/${snake}.proto`]: contract(resource),
    [`proto/api/${snake}/v1/error_reason.proto`]: reasons(resource, option),
    [`proto/cache/v1/${snake}.proto`]: cacheProto(resource),
    [`src/service/${kebab}.ts`]: service(resource),
    [`src/biz/${kebab}.ts`]: biz(resource),
    [`src/data/${kebab}.ts`]: data(resource),
    [`src/data/redis/${kebab}.ts`]: cacheKind(resource),
    [`src/data/mysql/${kebab}.ts`]: mysql(resource),
    [`src/data/mysql/schema/${kebab}.ts`]: mysqlSchema(resource),
    [`src/data/sqlite/${kebab}.ts`]: sqlite(resource),
    [`src/data/sqlite/schema/${kebab}.ts`]: sqliteSchema(resource),
    [`src/app/${kebab}.ts`]: appModule(resource),
    [`src/app/${kebab}-services.ts`]: appServices(resource),
    [`test/biz/${kebab}.test.ts`]: testBiz(resource),
    [`test/data/${kebab}.test.ts`]: testData(resource),
    [`test/e2e/${kebab}.test.ts`]: testE2e(resource),
  }
}

/** How a resource changes the files that know all of them, by their paths. */
export function changes(resource: Resource): Record<string, (text: string) => string> {
  const { kebab, camel, pascal, many } = resource.noun
  return {
    'proto/conf/v1/services.proto': (text) => withService(text, resource.noun),
    'configs/config.yaml': (text) => withSetting(text, resource.noun),
    'src/app/modules.ts': (text) =>
      withStatement(
        withName(text, 'services', camel),
        'openModules',
        `if (${camel}.enabled) made((await import('./${kebab}.ts')).${camel}Module(parts))`,
      ),
    'src/app/services.ts': (text) =>
      withEntry(
        withImport(text, `{ ${camel}Services }`, `./${kebab}-services.ts`),
        'byName',
        `${camel}: ${camel}Services`,
      ),
    'src/data/queries.ts': (text) =>
      withInterface(
        withMember(
          withImport(text, `type { ${pascal}, ${pascal}Repo }`, `../biz/${kebab}.ts`),
          'Queries',
          `readonly ${many.camel}: ${pascal}Queries`,
        ),
        queriesInterface(resource),
      ),
    'src/data/mysql/queries.ts': (text) =>
      withProperty(
        withImport(text, `{ mysql${pascal}Queries }`, `./${kebab}.ts`),
        'lazily',
        `${many.camel}: () => mysql${pascal}Queries(run)`,
      ),
    'src/data/sqlite/queries.ts': (text) =>
      withProperty(
        withImport(text, `{ sqlite${pascal}Queries }`, `./${kebab}.ts`),
        'lazily',
        `${many.camel}: () => sqlite${pascal}Queries(execute)`,
      ),
    'src/data/sqlite/schema/columns.ts': (text) => withColumns(text, resource),
    'docs/errors.md': (text) => withErrorRows(text, resource),
    'CHANGELOG.md': (text) => withNews(text, resource),
  }
}

function withService(text: string, { snake, many }: Noun): string {
  const known = [...text.matchAll(/^ {2}Service \w+ = (\d+) .*;$/gm)]
  const last = known.at(-1)
  if (last === undefined) throw new Error('services.proto has no Service')
  const next = Math.max(...known.map(([, number]) => Number(number))) + 1
  const field = `  // ${capital(many.words)}.\n  Service ${snake} = ${next} [(buf.validate.field).required = true];`
  const at = last.index + last[0].length
  return `${text.slice(0, at)}\n${field}${text.slice(at)}`
}

function withSetting(text: string, { snake, upper }: Noun): string {
  const section = /^services:\n(?: .*\n)+/m.exec(text)
  if (section === null) throw new Error('config.yaml has no services')
  const at = section.index + section[0].length
  const setting = `  ${snake}:\n    enabled: \${${upper}_ENABLED:true}\n`
  return text.slice(0, at) + setting + text.slice(at)
}

function withColumns(text: string, { fields }: Resource): string {
  const missing = new Set(fields.map(({ kind }) => kind.sqlite.from))
  return Object.entries(ownColumns).reduce(
    (all, [name, column]) =>
      missing.has(name) && !all.includes(`export const ${name} =`) ? all + column : all,
    text,
  )
}

function withErrorRows(text: string, { noun, unique }: Resource): string {
  const { upper, words } = noun
  const taken = unique.map((field) => field.words).join(' or ')
  const rows = [
    `| \`${upper}_NOT_FOUND\` | 404 | not_found | no ${words} has this id |`,
    ...(taken === ''
      ? []
      : [
          `| \`${upper}_ALREADY_EXISTS\` | 409 | already_exists | the ${taken} of the ${words} is taken |`,
        ]),
    `| \`INVALID_${upper}_INPUT\` | 400 | invalid_argument | fields of ${noun.a} break a rule; each is named |`,
  ]
  return withLineBefore(text, '| `INVALID_ARGUMENT` |', rows.join('\n'))
}

function withNews(text: string, { noun }: Resource): string {
  const { snake, pascal, many } = noun
  const line = `- ${capital(many.words)}: the service \`api.${snake}.v1.${pascal}\` creates, gets, lists, updates and deletes them.`
  const [first = ''] = /^- .*$/m.exec(text) ?? []
  return withLineBefore(text, first, line)
}
