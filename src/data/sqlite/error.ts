import { DomainError } from '../../biz/error.ts'
import { databaseUnavailable, driverError, statementFailed, UniqueViolation } from '../error.ts'

const busy = 5
const constraintUnique = 2067
// Primary result codes (the low byte): busy, locked, read-only, I/O error, full, cannot open.
const unavailable = new Set([busy, 6, 8, 10, 13, 14])

/** Whether another process holds the file; the upper bits of the code only say how. */
export function isBusy(err: unknown): boolean {
  return err instanceof Error && 'errcode' in err && (Number(err.errcode) & 0xff) === busy
}

/** Turns errors of node:sqlite into UniqueViolation or DomainError; others lose only Drizzle's wrapper. */
export function sqliteError(err: unknown): unknown {
  const cause = driverError(err)
  if (err instanceof DomainError || !(cause instanceof Error)) return err
  if (!('errcode' in cause)) return closed(cause) ? databaseUnavailable(cause) : cause
  const errcode = Number(cause.errcode)
  if (errcode === constraintUnique) return new UniqueViolation(takenKey(cause.message))
  return unavailable.has(errcode & 0xff)
    ? databaseUnavailable(cause)
    : statementFailed(`SQLite error ${errcode}`, err)
}

// SQLite names the column and not its key.
const columnLast = /^UNIQUE constraint failed: (\w+)\.(\w+)$/

/** The unique key of one column, by the name that it has in the schemas. */
function takenKey(message: string): string {
  const [, table, column] = columnLast.exec(message) ?? []
  return table === undefined ? '' : `${table}_${column}_unique`
}

function closed(cause: Error): boolean {
  return 'code' in cause && cause.code === 'ERR_INVALID_STATE'
}
