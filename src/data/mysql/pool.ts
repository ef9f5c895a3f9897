import mysql, { type Connection, type ConnectionOptions } from 'mysql2'
import type { Pool, PoolConnection } from 'mysql2/promise'
import { type StatementObserver, unobserved } from '../statement-observer.ts'
import { mysqlError } from './error.ts'
import { runningCalls } from './running.ts'
import { type PoolLimits, semaphore } from '../semaphore.ts'
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
  const pool = mysql.createPool({ ...options, connectionLimit: limits.size }).promise()
  pool.on('connection', (connection) => {
    // What mysql2 has read of the greeting, not in its types; without it MariaDB is called MySQL.
    greeted?.('_isMariaDB' in connection && connection._isMariaDB === true ? 'mariadb' : 'mysql')
    // mysql2 gives the connection itself here, and not the wrapper of its types.
    session.open(connection as unknown as Connection)
  })
  const room = semaphore(limits, (limit) => observer.refused?.(limit))
  const calls = runningCalls(pool)

  /** A connection, once there is room for it, which `room.release` gives back. */
  async function acquire(signal: AbortSignal): Promise<PoolConnection> {
    await room.acquire(signal)
    return calls.connect(signal).catch((err: unknown) => {
      room.release()
      throw err
    })
  }

  return {
    /**
     * Runs `work` on one connection. Fails with the signal's reason when it aborts, and with
     * DATABASE_UNAVAILABLE when there is no connection in time.
     */
    async use<T>(
      signal: AbortSignal,
      work: (connection: PoolConnection) => Promise<T>,
    ): Promise<T> {
      try {
        const connection = await waited(observer, () => acquire(signal))
        const since = performance.now()
        try {
          return await calls.run(connection, signal, () => session.use(connection, work))
        } finally {
          observer.used?.(since)
          room.release()
        }
      } catch (err) {
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
    close: () => pool.end(),
    state() {
      const open = openConnections(pool) ?? room.inUse
      const used = Math.min(room.inUse, open)
      return { open, used, max: limits.size, waiting: room.waiting }
    },
  }
}

/** Tells of a wait for a connection, however it ends. */
async function waited<T>(observer: StatementObserver, wait: () => Promise<T>): Promise<T> {
  const since = performance.now()
  try {
    const connection = await wait()
    observer.waited(since)
    return connection
  } catch (err) {
    observer.waited(since, err)
    throw err
  }
}

/** Not in mysql2's types, and its events tell only of connections that come. */
function openConnections({ pool }: Pool): number | undefined {
  const all = '_allConnections' in pool ? pool._allConnections : undefined
  return (all as { length: number } | undefined)?.length
}
