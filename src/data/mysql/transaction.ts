import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from 'mysql2'
import type { StatementObserver } from '../statement-observer.ts'
import { isBrokenOff } from './error.ts'
import { query } from './execute.ts'

const maxAttempts = 5
const pauseMs = 20

/** Does anew what the server broke off, to end a deadlock for instance: it has left nothing behind. */
export async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (err) {
      if (!isBrokenOff(err) || attempt === maxAttempts) throw err
      // Calls that were in conflict would be so again if they all came back at once.
      await sleep(Math.random() * pauseMs * attempt)
    }
  }
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
    // A connection that cannot roll back may still hold locks: it must not go back to the pool.
    await send('ROLLBACK').catch(() => connection.destroy())
    throw err
  }
}
