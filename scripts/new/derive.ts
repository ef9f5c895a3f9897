// The files of a project that follow from the others: generated code, migrations, documents.
import { join } from 'node:path'
import { writeMigrations } from '../migration.ts'
import { project, tool } from '../tool.ts'
import type { Noun } from './noun.ts'
import { read, run, write } from './tree.ts'

/** It lists the settings, and is formatted as all JSON is. */
const chartSchema = 'deploy/helm/user-service/values.schema.json'

const script = (file: string) => [process.execPath, join(project, file)]

/** Runs what makes the other files out of those that were written. Gives the migrations. */
export function derive({ snake, many }: Noun, written: readonly string[]): string[] {
  const buf = tool('@bufbuild/buf', 'buf')
  for (const path of [`proto/api/${snake}`, `proto/cache/v1/${snake}.proto`])
    run([...buf, 'format', '-w', '--path', path])
  run([...buf, 'generate'])
  run([...tool('oxfmt', 'oxfmt'), ...written])
  const migrations = writeMigrations(many.snake)
  for (const path of migrations)
    if (path.includes('/sqlite/')) write({ [path]: withAutoincrement(read(path)) })
  run([...script('scripts/openapi.ts'), '--write'])
  run(script('scripts/settings.ts'))
  run(script('scripts/pictures/main.ts'))
  run(script('scripts/chart-files.ts'))
  run([...tool('oxfmt', 'oxfmt'), chartSchema])
  // The schema of the values is a part of the chart, and of no manifest that is rendered from it.
  run(script('scripts/new/chart-digest.ts'))
  return migrations
}

/** The column type that reads ids as bigint has no such option in Drizzle. */
function withAutoincrement(sql: string): string {
  return `-- AUTOINCREMENT is written by hand: Drizzle has no bigint column with it, and an id must never be given twice.\n${sql.replace('`id` integer PRIMARY KEY NOT NULL', '`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL')}`
}
