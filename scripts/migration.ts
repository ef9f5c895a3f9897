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
  return dialects.flatMap((dialect) => {
    const before = new Set(migrationsOf(dialect))
    generate(['--config', `drizzle.${dialect}.config.ts`, '--name', name])
    return migrationsOf(dialect).filter((path) => !before.has(path))
  })
}

/** The paths of all SQL. A project without a migration has no folder for them. */
function migrationsOf(dialect: string): string[] {
  const folder = `migrations/${dialect}`
  if (!existsSync(join(project, folder))) return []
  return list(folder).filter((path) => path.endsWith('.sql'))
}

/** drizzle-kit ends with 0 whatever happens. What it prints tells, and what it asks needs a terminal. */
function generate(options: readonly string[]): void {
  const [program, kit] = tool('drizzle-kit', 'drizzle-kit', folderOf('drizzle-kit'))
  const args = [kit, 'generate', ...options]
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: project, encoding: 'utf8' })
  const output = `${stdout}${stderr}`
  if (status === 0 && /No schema changes|Your SQL migration file/.test(output)) return
  if (!output.includes('require a TTY terminal'))
    throw new Error(`${args.join(' ')} failed:\n${output}`)
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new Refusal(
      'drizzle-kit asks whether a column or table is new or has another name now: run this on a terminal',
    )
  const asked = spawnSync(program, args, { cwd: project, stdio: 'inherit' })
  if (asked.status !== 0) throw new Refusal('no answer, so nothing more was written')
}

/** What a person wants to know of migrations that were written. */
function told(paths: readonly string[]): string {
  if (paths.length === 0)
    return 'Nothing was written: the schemas in src/data/mysql/schema and src/data/sqlite/schema are those of the last migrations.'
  const texts = paths.map((path) => `${path}\n\n${indented(read(path).trim())}\n`)
  const missing = dialects
    .filter((dialect) => !paths.some((path) => path.startsWith(`migrations/${dialect}/`)))
    .map((dialect) => `src/data/${dialect}/schema has no change: is it still to be made there?\n`)
  const isRebuilt = paths.some((path) => /CREATE TABLE `__new_/.test(read(path)))
  const rebuilt = isRebuilt
    ? ['SQLite gets a new table: write its AUTOINCREMENT by hand (docs/migrations.md).\n']
    : []
  const next = 'Read the SQL, then commit it with what else changed in migrations/.'
  return [...texts, ...missing, ...rebuilt, next].join('\n')
}

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
