import { DomainError } from '../../biz/error.ts'
import { databaseUnavailable, driverError, statementFailed, UniqueViolation } from '../error.ts'

const constraintUnique = 2067
// Primary result codes (the low byte): busy, locked, read-only, I/O error, full, cannot open.
const unavailable = new Set([5, 6, 8, 10, 13, 14])

/** Turns what node:sqlite throws into UniqueViolation or DomainError; what is neither stays as it is. */
export function sqliteError(err: unknown): unknown {
  const cause = driverError(err)
  if (err instanceof DomainError || !(cause instanceof Error) || !('errcode' in cause)) return err
  const errcode = Number(cause.errcode)
  if (errcode === constraintUnique) return new UniqueViolation('duplicate entry')
  return unavailable.has(errcode & 0xff)
    ? databaseUnavailable(cause)
    : statementFailed(`SQLite error ${errcode}`, err)
}
