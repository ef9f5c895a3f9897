import { readdir, readFile } from 'node:fs/promises'

/** One file of SQL that changes the schema. */
export interface Migration {
  /** The file's name without `.sql`; migrations run in the order of their names. */
  name: string
  statements: string[]
}

const root = new URL('../../migrations/', import.meta.url)
const breakpoint = '--> statement-breakpoint'

/** Reads the migrations that drizzle-kit wrote for a dialect. */
export async function readMigrations(dialect: 'mysql' | 'sqlite'): Promise<Migration[]> {
  const folder = new URL(`${dialect}/`, root)
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort()
  return Promise.all(
    files.map(async (file) => ({
      name: file.slice(0, -'.sql'.length),
      statements: (await readFile(new URL(file, folder), 'utf8')).split(breakpoint),
    })),
  )
}

/** Says which migration the database rejected. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
  constructor(migration: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(`migration ${migration} was rejected: ${reason}`, { cause })
  }
}
