import mysql, { type ConnectionOptions, type Pool, type PoolConnection } from 'mysql2'
import { type StatementObserver, unobserved } from '../../statement-observer.ts'
import { mysqlError } from '../error.ts'
import { called, isMariaDb } from '../execute.ts'
import { runningCalls } from './running.ts'
import { type PoolLimits, semaphore } from '../../semaphore.ts'
import { sessions } from './session.ts'

interface PoolWatch {
  observer?: StatementObserver
  /** Told at each new connection what kind of server answered. */
  greeted?: (system: 'mysql' | 'mariadb') => void
}

/** A pool whose calls wait for a bounded time and can be given up. */
export function connectionPool(
  options: ConnectionOptions,
  limits: PoolLimits,
  { observer = unobserved, greeted }: PoolWatch = {},
) {
  const session = sessions()
  const pool = mysql.createPool({ ...options, connectionLimit: limits.size })
  pool.on('connection', (connection) => {
    greeted?.(isMariaDb(connection) ? 'mariadb' : 'mysql')
    session.open(connection)
  })
  const room = semaphore(limits, (limit) => observer.refused?.(limit))
  const calls = runningCalls(pool)

  return {
    /**
     * Runs `work` on one connection. Fails with the signal's reason when it aborts, and with
     * DATABASE_UNAVAILABLE when there is no connection in time.
     */
    async use<T>(
      signal: AbortSignal,
      work: (connection: PoolConnection) => Promise<T>,
    ): Promise<T> {
      const asked = performance.now()
      let got: number | undefined
      try {
        await room.acquire(signal)
        let result: T
        try {
          result = await calls.run(signal, (connection) => {
            got = performance.now()
            observer.waited(asked)
            return session.use(connection, work)
          })
        } finally {
          if (got !== undefined) observer.used?.(got)
          room.release()
        }
        // The connection has gone to the next call by now. This one goes on when all answers that have
        // arrived are read, so that calls go in step, as they begin (server/listener/after-reading.ts).
        await new Promise(setImmediate)
        return result
      } catch (err) {
        if (got === undefined) observer.waited(asked, err)
        throw mysqlError(err)
      }
    },
    /** Gives up whatever runs or waits, with this reason. */
    giveUp(reason: unknown): void {
      room.dismiss(reason)
      calls.giveUpAll(reason)
    },
    renew: () => calls.renew(),
    lastAnswerAt: calls.lastAnswerAt,
    close: () => called<void>((done) => pool.end((err) => done(err, undefined))),
    state() {
      const open = openConnections(pool) ?? room.inUse
      const used = Math.min(room.inUse, open)
      return { open, used, max: limits.size, waiting: room.waiting }
    },
  }
}

/** Not in mysql2's types, and its events tell only of connections that come. */
function openConnections(pool: Pool): number | undefined {
  const all = '_allConnections' in pool ? pool._allConnections : undefined
  return (all as { length: number } | undefined)?.length
}
