import type { Pool, PoolConnection } from 'mysql2/promise'
import { inFlight } from '../../memory/in-flight.ts'
import { type Abortable, abortable } from '../abortable.ts'
import { isUnwritable } from './error.ts'

/**
 * What calls do with the connections of a pool. mysql2 leaves a statement that no call waits for any
 * more on its connection, so whatever is given up costs its connection.
 */
export function runningCalls(pool: Pool) {
  const running = inFlight<Pick<Abortable<unknown>, 'giveUp'>>()
  let lastAnswerAt = Number.NEGATIVE_INFINITY
  let current = new WeakSet<object>()
  pool.on('connection', (connection) => current.add(connection))

  const isOld = (connection: PoolConnection) => !current.has(connection.connection)

  async function next(): Promise<PoolConnection> {
    for (;;) {
      const connection = await pool.getConnection()
      if (!isOld(connection)) return connection
      connection.destroy()
    }
  }

  return {
    /** A connection; one that comes after its call has given up goes back. */
    connect(signal: AbortSignal): Promise<PoolConnection> {
      const attempt = abortable<PoolConnection>(signal, () => running.remove(entry))
      const entry = running.add(attempt)
      next().then((connection) => {
        if (!attempt.resolve(connection)) connection.release()
      }, attempt.reject)
      return attempt.promise
    },
    /** Runs `work` until it ends, the signal aborts or all is given up; then gives the connection back. */
    run<T>(connection: PoolConnection, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
      const call = abortable<T>(signal, (givenUp) => {
        running.remove(entry)
        if (givenUp || isOld(connection)) connection.destroy()
        else connection.release()
      })
      const entry = running.add(call)
      work().then(
        (value) => {
          lastAnswerAt = performance.now()
          call.resolve(value)
        },
        (err: unknown) => {
          // A new one goes through the address, which may lead to another server by then.
          if (isUnwritable(err)) connection.destroy()
          call.reject(err)
        },
      )
      return call.promise
    },
    /** Uses no connection again that is open already. */
    renew(): void {
      current = new WeakSet()
    },
    giveUpAll(reason: unknown): void {
      for (const call of running.all()) call.giveUp(reason)
    },
    /** When a call has last had its work done, by `performance.now()`. */
    lastAnswerAt: () => lastAnswerAt,
  }
}
