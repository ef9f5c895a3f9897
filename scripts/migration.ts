// `npm run migration -- user_nick` writes the SQL that makes the tables what the schemas say, for both databases.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Refusal } from './new/refusal.ts'
import { list, read } from './new/tree.ts'
import { folderOf, provide } from './on-demand.ts'
import { project, tool } from './tool.ts'

const usage = `usage: npm run migration -- NAME

NAME says what changes, in words of a-z and 0-9 with _ between them: user_nick`

const dialects = ['mysql', 'sqlite'] as const

/**
 * Compares the schemas with the last snapshots and writes a migration of this name for each database that differs.
 * Gives the paths of their SQL. Throws Refusal for questions that nobody is there to answer.
 */
export function writeMigrations(name: string): string[] {
  provide('drizzle-kit')
  const written: string[] = []
  for (const dialect of dialects) {
    const before = new Set(migrationsOf(dialect))
    const problem = generate(['--config', `drizzle.${dialect}.config.ts`, '--name', name])
    const paths = migrationsOf(dialect).filter((path) => !before.has(path))
    if (problem !== undefined && paths.length === 0)
      throw new Refusal([`${dialect}: ${problem}`, ...written.map(alreadyThere)].join('\n'))
    written.push(...paths)
  }
  return written
}

/** The next run takes a change that has its migration for none. */
const alreadyThere = (path: string) => `${path} was written before that: take it back, or keep it.`

/** The paths of all SQL. A project without a migration has no folder for them. */
function migrationsOf(dialect: string): string[] {
  const folder = `migrations/${dialect}`
  if (!existsSync(join(project, folder))) return []
  return list(folder).filter((path) => path.endsWith('.sql'))
}

/**
 * Runs drizzle-kit, which ends with 0 whatever happens: what it prints tells, and what it asks needs a terminal. Gives
 * why nothing may have been written; undefined if all went well.
 */
function generate(options: readonly string[]): string | undefined {
  const [program, kit] = tool('drizzle-kit', 'drizzle-kit', folderOf('drizzle-kit'))
  const args = [kit, 'generate', ...options]
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: project, encoding: 'utf8' })
  const output = `${stdout}${stderr}`
  if (status === 0 && /No schema changes|Your SQL migration file/.test(output)) return undefined
  if (!output.includes('require a TTY terminal'))
    throw new Error(`${args.join(' ')} failed:\n${output}`)
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    return 'drizzle-kit asks whether a column or table is new or has another name now: run this on a terminal'
  spawnSync(program, args, { cwd: project, stdio: 'inherit' })
  return 'no answer, so nothing was written'
}

/** What a person wants to know of migrations that were written. */
function told(paths: readonly string[]): string {
  if (paths.length === 0)
    return 'Nothing was written: the schemas in src/data/mysql/schema and src/data/sqlite/schema are those of the last migrations.'
  const texts = paths.map((path) => `${path}\n\n${indented(read(path).trim())}\n`)
  const missing = dialects
    .filter((dialect) => !paths.some((path) => path.startsWith(`migrations/${dialect}/`)))
    .map(
      (dialect) =>
        `src/data/${dialect}/schema has no change since its last migration: is it still to be made there?\n`,
    )
  const isNew = paths.some((path) => newId.test(read(path)))
  const byHand = isNew
    ? [
        'A table of SQLite is new: write AUTOINCREMENT behind its id by hand (docs/migrations.md).\n',
      ]
    : []
  const next = 'Read the SQL, then commit it with what else changed in migrations/.'
  return [...texts, ...missing, ...byHand, next].join('\n')
}

/** The id of a table, new or made anew, as drizzle-kit writes it for SQLite. */
const newId = /`id` integer PRIMARY KEY NOT NULL/

const indented = (text: string) => text.replaceAll(/^(?=.)/gm, '  ')

function main(args: readonly string[]): string {
  const [name = '', ...others] = args
  if (!/^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/.test(name) || others.length > 0) throw new Refusal(usage)
  return told(writeMigrations(name))
}

if (import.meta.main) {
  try {
    console.log(main(process.argv.slice(2)))
  } catch (err) {
    console.error(err instanceof Refusal ? err.message : err)
    process.exitCode = 1
  }
}
