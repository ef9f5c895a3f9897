import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from 'mysql2'
import type { StatementObserver } from '../statement-observer.ts'
import { isBrokenOff, isLockTimeout } from './error.ts'
import { isGivenUp, query } from './execute.ts'

const maxAttempts = 5
/** 50 s in all, as servers wait by default: each is as long as a session waits (pool/session.ts). */
const maxLockWaits = 25
const pauseMs = 20

/**
 * Does anew what has left nothing behind: what the server broke off, to end a deadlock for instance, and
 * what has waited for a lock as long as its session may, since a call may wait longer. One that is given
 * up is not done anew, for its connection is closed.
 */
export async function retried<T>(
  work: () => Promise<T>,
  attemptsAfter = attemptsInAll,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (err) {
      if (attempt >= attemptsAfter(err)) throw err
      // Calls that were in conflict would be so again if they all came back at once.
      await sleep(Math.random() * pauseMs * Math.min(attempt, maxAttempts))
    }
  }
}

function attemptsInAll(err: unknown): number {
  return isBrokenOff(err) ? maxAttempts : lockWaits(err)
}

/** For transactions on a connection. */
export function attemptsOn(connection: Connection): typeof attemptsInAll {
  return (err) => (isGivenUp(connection) ? 1 : attemptsInAll(err))
}

/** For a statement that may be one of a transaction, which is still open when a wait has ended. */
export function lockWaits(err: unknown): number {
  return isLockTimeout(err) ? maxLockWaits : 1
}

interface Steps<T> {
  work: () => Promise<T>
  /** Sends one statement in place of BEGIN, `work` and COMMIT, or gives undefined. */
  atOnce: () => Promise<T> | undefined
}

/** Runs `work` in a transaction on `connection`, which is destroyed where it cannot roll back. */
export async function transaction<T>(
  connection: Connection,
  observer: StatementObserver,
  { work, atOnce }: Steps<T>,
): Promise<T> {
  const send = (sql: string) => observer.statement(sql, () => query(connection, sql))
  const whole = atOnce()
  if (whole === undefined) await send('BEGIN')
  try {
    if (whole) return await whole
    const result = await work()
    await send('COMMIT')
    return result
  } catch (err) {
    if (isGivenUp(connection)) throw err
    // A connection that cannot roll back may still hold locks: it must not go back to the pool.
    await send('ROLLBACK').catch(() => connection.destroy())
    throw err
  }
}
