import mysql, { type Connection, type ConnectionOptions } from 'mysql2'
import type { PoolConnection } from 'mysql2/promise'
import { inFlight } from '../../memory/in-flight.ts'
import { type StatementObserver, unobserved } from '../statement-observer.ts'
import { mysqlError } from './error.ts'
import { sessions } from './session.ts'
import { type SlotLimits, slots } from './semaphore.ts'

interface PoolWatch {
  observer?: StatementObserver
  /** Told at each new connection what kind of server answered. */
  greeted?: (system: 'mysql' | 'mariadb') => void
}

/**
 * A pool whose calls can be given up: mysql2 leaves a statement that nobody waits for any more on
 * its connection, so whoever gives up destroys the connection.
 */
export function connectionPool(
  options: ConnectionOptions,
  limits: SlotLimits,
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
  const room = slots(limits, (limit) => observer.refused?.(limit))
  const running = inFlight<(reason: unknown) => void>()
  let lastAnswerAt = Number.NEGATIVE_INFINITY

  /** Runs `work` on `connection` until it ends, the signal aborts or the pool gives all up. */
  function run<T>(
    connection: PoolConnection,
    signal: AbortSignal,
    work: (connection: PoolConnection) => Promise<T>,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const abort = () => giveUp(signal.reason)
    function settle(): void {
      running.remove(entry)
      signal.removeEventListener('abort', abort)
    }
    function giveUp(reason: unknown): void {
      settle()
      connection.destroy()
      reject(reason)
    }
    const entry = running.add(giveUp)
    signal.addEventListener('abort', abort, { once: true })
    work(connection).then(
      (value) => {
        lastAnswerAt = performance.now()
        if (!running.has(entry)) return
        settle()
        connection.release()
        resolve(value)
      },
      (err: unknown) => {
        if (!running.has(entry)) return
        settle()
        connection.release()
        reject(err)
      },
    )
    return promise
  }

  /** A connection that comes after its call has given up goes back. */
  function connect(signal: AbortSignal): Promise<PoolConnection> {
    const { promise, resolve, reject } = Promise.withResolvers<PoolConnection>()
    let waiting = true
    function leave(reason: unknown): void {
      waiting = false
      running.remove(entry)
      signal.removeEventListener('abort', abort)
      reject(reason)
    }
    const abort = () => leave(signal.reason)
    const entry = running.add(leave)
    signal.addEventListener('abort', abort, { once: true })
    pool.getConnection().then((connection) => {
      if (!waiting) return connection.release()
      running.remove(entry)
      signal.removeEventListener('abort', abort)
      resolve(connection)
    }, leave)
    return promise
  }

  /** A connection, once there is room for it, which `room.release` gives back. */
  async function acquire(signal: AbortSignal): Promise<PoolConnection> {
    const since = performance.now()
    try {
      await room.acquire(signal)
    } catch (err) {
      observer.waited(since, err)
      throw err
    }
    try {
      const connection = await connect(signal)
      observer.waited(since)
      return connection
    } catch (err) {
      room.release()
      observer.waited(since, err)
      throw err
    }
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
        const connection = await acquire(signal)
        const since = performance.now()
        try {
          return await run(connection, signal, (opened) => session.use(opened, work))
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
      for (const leave of running.all()) leave(reason)
    },
    /** When a call has last had its work done, by `performance.now()`. */
    lastAnswerAt: () => lastAnswerAt,
    close: () => pool.end(),
    state() {
      // Not in mysql2's types, and its events tell only of connections that come.
      const all = '_allConnections' in pool.pool ? pool.pool._allConnections : undefined
      const open = (all as { length: number } | undefined)?.length ?? room.inUse
      const used = Math.min(room.inUse, open)
      return { open, used, most: limits.size, waiting: room.waiting }
    },
  }
}
