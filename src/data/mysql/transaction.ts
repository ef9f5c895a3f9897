import { setTimeout as sleep } from 'node:timers/promises'
import type { PoolConnection } from 'mysql2/promise'
import type { StatementObserver } from '../statement-observer.ts'
import { isBrokenOff } from './error.ts'

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

/** Runs `work` in a transaction on `connection`, which is destroyed where it cannot roll back. */
export async function transaction<T>(
  connection: PoolConnection,
  observer: StatementObserver,
  work: () => Promise<T>,
): Promise<T> {
  await observer.statement('BEGIN', () => connection.beginTransaction())
  try {
    const result = await work()
    await observer.statement('COMMIT', () => connection.commit())
    return result
  } catch (err) {
    // A connection that cannot roll back may still hold locks: it must not go back to the pool.
    await observer
      .statement('ROLLBACK', () => connection.rollback())
      .catch(() => connection.destroy())
    throw err
  }
}
