import { drizzleOrm } from './drizzle.ts'
import { DomainError, type ReasonOf } from '../biz/error.ts'
import type { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'

type Reason = ReasonOf<typeof ErrorReason>

/** A value of a unique key is taken, whatever the database calls that. */
export class UniqueViolation extends Error {
  override readonly name = 'UniqueViolation'
  /** The key as the schemas name it, `users_email_unique`; empty where several rows were stored. */
  readonly key: string

  constructor(key = '') {
    super(`a value of the key ${key || 'of one statement'} is taken`)
    this.key = key
  }
}

/** Drizzle's error has SQL and parameters in its message; the driver's own error is its cause. */
export function driverError(err: unknown): unknown {
  return err instanceof drizzleOrm.DrizzleQueryError ? err.cause : err
}

/** The statement that failed, without its parameters. */
function failedStatement(err: unknown): string | undefined {
  return err instanceof drizzleOrm.DrizzleQueryError ? err.query : undefined
}

/** The database cannot be used now. The cause goes to the log, and not to callers. */
export function databaseUnavailable(cause: unknown): DomainError {
  return new DomainError<Reason>({
    kind: 'unavailable',
    reason: 'DATABASE_UNAVAILABLE',
    message: 'the database cannot be used now',
    cause,
  })
}

/** The database has ended a statement by its own time limit, which is shorter than the call's. */
export function statementTimedOut(cause: unknown): DomainError {
  return new DomainError<Reason>({
    kind: 'deadline_exceeded',
    reason: 'DEADLINE_EXCEEDED',
    message: 'the database took longer than it allows a statement',
    cause,
  })
}

/**
 * A statement that the database rejected for a reason that callers cannot mend. `code` and the
 * statement go to the log; the database's own message stays here, since it can quote stored values.
 */
export function statementFailed(code: string, err: unknown): DomainError {
  const statement = failedStatement(err)
  return new DomainError<Reason>({
    kind: 'internal',
    reason: 'INTERNAL',
    message: 'internal error',
    cause: new Error(
      `the database rejected a statement: ${code}${statement ? ` in ${statement}` : ''}`,
    ),
  })
}
