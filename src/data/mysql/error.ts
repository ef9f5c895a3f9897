import { DomainError } from '../../biz/error.ts'
import { databaseUnavailable, driverError, statementFailed, UniqueViolation } from '../error.ts'
import { MigrationError } from '../migration.ts'
import { emailKey } from './schema.ts'

const duplicateEntry = 1062
const deadlock = 1213
const noSuchTable = 1146

// A statement whose prepared form the server does not know, or could not make anew by itself.
const lostStatement = [1243, 1615]

// Errors of a server that is there but cannot serve: too many connections, shutting down, no such
// database or access, lock waits, killed, idle too long, read-only, disk or table full, no prepared
// form of a statement.
const unavailable = new Set([
  1021, 1040, 1044, 1045, 1049, 1053, 1114, 1129, 1130, 1203, 1205, 1213, 1226, 1243, 1290, 1317,
  1461, 1615, 1836, 1927, 3169, 4031,
])

interface ServerRejection {
  errno: number
  code: string
  message: string
}

/** What the server said of a statement; undefined where the connection failed or nothing did. */
function serverRejection(err: unknown): ServerRejection | undefined {
  const cause = driverError(err)
  if (!(cause instanceof Error) || !('errno' in cause) || !('sqlState' in cause)) return undefined
  if (cause.sqlState === undefined) return undefined
  const code = 'code' in cause ? String(cause.code) : ''
  return { errno: Number(cause.errno), code, message: cause.message }
}

/** Whether InnoDB has broken off a transaction to end a deadlock. */
export function isDeadlock(err: unknown): boolean {
  return serverRejection(err)?.errno === deadlock
}

/** Whether a statement has not run because the server has lost its prepared form. */
export function isLostStatement(err: unknown): boolean {
  return lostStatement.includes(serverRejection(err)?.errno ?? 0)
}

/** Whether a statement names a table that is not there. */
export function isMissingTable(err: unknown): boolean {
  return serverRejection(err)?.errno === noSuchTable
}

/** Whether the server has judged a statement and found it wrong. */
export function isRejected(err: unknown): boolean {
  const rejection = serverRejection(err)
  return rejection !== undefined && !unavailable.has(rejection.errno)
}

// The key ends the message, after the value, in which there may be quotes. MySQL 8 and TiDB put the
// table before it.
const emailKeyLast = new RegExp(` for key '(?:users\\.)?${emailKey}'$`)

function isEmailTaken({ errno, message }: ServerRejection): boolean {
  return errno === duplicateEntry && emailKeyLast.test(message)
}

/** Turns what mysql2 throws into UniqueViolation or DomainError; the rest stays, without Drizzle's wrapper. */
export function mysqlError(err: unknown): unknown {
  if (err instanceof DomainError || err instanceof MigrationError) return err
  const rejection = serverRejection(err)
  if (rejection && isEmailTaken(rejection)) return new UniqueViolation('duplicate entry')
  if (rejection)
    return unavailable.has(rejection.errno)
      ? databaseUnavailable(new Error(rejection.code))
      : statementFailed(`${rejection.code} (${rejection.errno})`, err)
  const cause = driverError(err)
  const failed = cause instanceof Error && ('code' in cause || 'fatal' in cause)
  // A failure of the connection names the server at most, so it may go to the log.
  return failed ? databaseUnavailable(new Error(cause.message)) : cause
}
