import { DomainError } from '../../biz/error.ts'
import {
  databaseUnavailable,
  driverError,
  statementFailed,
  statementTimedOut,
  UniqueViolation,
} from '../error.ts'
import { MigrationError } from '../migration.ts'
import {
  alreadyDone,
  brokenOff,
  lockTimeout,
  lostStatement,
  statementTimeout,
  unavailable,
  unwritable,
  withoutConnection,
  withoutRoom,
} from './server-codes.ts'

const duplicateEntry = 1062
const noSuchTable = 1146

interface ServerRejection {
  errno: number
  code: string
  message: string
}

/** The server's error for a statement; undefined if `err` is none, such as a lost connection. */
function serverRejection(err: unknown): ServerRejection | undefined {
  const cause = driverError(err)
  if (!(cause instanceof Error) || !('errno' in cause) || !('sqlState' in cause)) return undefined
  if (cause.sqlState === undefined) return undefined
  const code = 'code' in cause ? String(cause.code) : ''
  return { errno: Number(cause.errno), code, message: cause.message }
}

/** 0 where no server has said anything. */
function errnoOf(err: unknown): number {
  return serverRejection(err)?.errno ?? 0
}

/** Whether the server has undone a transaction that may be begun anew at once. */
export function isBrokenOff(err: unknown): boolean {
  return brokenOff.has(errnoOf(err))
}

/** Whether a statement has waited for a lock in vain, as long as its session may. */
export function isLockTimeout(err: unknown): boolean {
  return lockTimeout.has(errnoOf(err))
}

/** Whether the server has refused a connection because there are too many. */
export function isWithoutConnection(err: unknown): boolean {
  return withoutConnection.has(errnoOf(err))
}

/** Whether a statement has not run because the server has lost its prepared form. */
export function isLostStatement(err: unknown): boolean {
  return lostStatement.has(errnoOf(err))
}

/** Whether a statement has not run because the server keeps no further prepared statement. */
export function isWithoutRoom(err: unknown): boolean {
  return withoutRoom.has(errnoOf(err))
}

/** Whether the server, while it stays as it is, would reject each further write on this connection. */
export function isUnwritable(err: unknown): boolean {
  return unwritable.has(errnoOf(err))
}

/** Whether a statement names a table that is not there. */
export function isMissingTable(err: unknown): boolean {
  return errnoOf(err) === noSuchTable
}

/** Whether a statement of DDL has failed because what it makes is there, or what it drops is not. */
export function isDone(err: unknown): boolean {
  return alreadyDone.has(errnoOf(err))
}

/** Whether the server has judged a statement and found it wrong. */
export function isRejected(err: unknown): boolean {
  const errno = errnoOf(err)
  return errno !== 0 && !unavailable.has(errno) && !statementTimeout.has(errno)
}

// The key ends the message, after the value, in which there may be quotes. MySQL 8 and TiDB put the
// table before it. Only keys that the schemas name so are known to the repositories.
const keyLast = / for key '(?:\w+\.)?(\w+_unique)'$/

/** The unique key that a statement has found taken. */
function takenKey({ errno, message }: ServerRejection): string | undefined {
  return errno === duplicateEntry ? keyLast.exec(message)?.[1] : undefined
}

/** Turns errors of mysql2 into UniqueViolation or DomainError; others lose only Drizzle's wrapper. */
export function mysqlError(err: unknown): unknown {
  if (err instanceof DomainError || err instanceof MigrationError) return err
  const rejection = serverRejection(err)
  if (rejection) {
    const key = takenKey(rejection)
    return key === undefined ? rejected(rejection, err) : new UniqueViolation(key)
  }
  const cause = driverError(err)
  const failed = cause instanceof Error && ('code' in cause || 'fatal' in cause)
  // A failure of the connection names the server at most, so it may go to the log.
  return failed ? databaseUnavailable(new Error(cause.message)) : cause
}

function rejected({ errno, code }: ServerRejection, err: unknown): DomainError {
  const name = `${code} (${errno})`
  if (statementTimeout.has(errno)) return statementTimedOut(new Error(name))
  return unavailable.has(errno) ? databaseUnavailable(new Error(name)) : statementFailed(name, err)
}
