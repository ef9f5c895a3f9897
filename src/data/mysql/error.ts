import { DomainError } from '../../biz/error.ts'
import { databaseUnavailable, driverError, statementFailed, UniqueViolation } from '../error.ts'

const duplicateEntry = 1062
const deadlock = 1213

// Errors of a server that is there but cannot serve: too many connections, shutting down, no such
// database or access, lock waits, read-only.
const unavailable = new Set([
  1040, 1044, 1045, 1049, 1053, 1129, 1130, 1203, 1205, 1213, 1290, 1836,
])

function errnoOf(err: unknown): number | undefined {
  return err instanceof Error && 'errno' in err && typeof err.errno === 'number'
    ? err.errno
    : undefined
}

export function isDeadlock(err: unknown): boolean {
  return errnoOf(driverError(err)) === deadlock
}

/** Turns what mysql2 throws into UniqueViolation or DomainError; what is neither stays as it is. */
export function mysqlError(err: unknown): unknown {
  const cause = driverError(err)
  if (err instanceof DomainError || !(cause instanceof Error)) return err
  const errno = errnoOf(cause)
  if (errno === duplicateEntry) return new UniqueViolation('duplicate entry')
  const code = 'code' in cause ? String(cause.code) : cause.name
  // Without an SQL state the server never judged the statement: the connection failed.
  const refused = 'sqlState' in cause && cause.sqlState !== undefined && errno !== undefined
  if (refused && !unavailable.has(errno)) return statementFailed(`${code} (${errno})`, err)
  return refused || 'code' in cause
    ? databaseUnavailable(new Error(connectionFailure(code, cause, refused)))
    : err
}

// A refusal can quote values; a failure of the connection names only the server.
function connectionFailure(code: string, cause: Error, refused: boolean): string {
  return refused ? code : `${code}: ${cause.message}`
}
