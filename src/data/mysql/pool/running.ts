import type { Pool, PoolConnection } from 'mysql2'
import { inFlight } from '../../../memory/in-flight.ts'
import { type Abortable, abortable } from '../../abortable.ts'
import { isUnwritable } from '../error.ts'
import { called } from '../execute.ts'

/** The work of a call on a connection. */
type Work<T> = (connection: PoolConnection) => Promise<T>

/**
 * Runs the work of calls on the connections of a pool. mysql2 cannot cancel a statement, so a call that
 * is given up costs its connection.
 */
export function runningCalls(pool: Pool) {
  const running = inFlight<Pick<Abortable<unknown>, 'giveUp'>>()
  let lastAnswerAt = Number.NEGATIVE_INFINITY
  let current = new WeakSet<object>()
  pool.on('connection', (connection) => current.add(connection))

  const isOld = (connection: PoolConnection) => !current.has(connection)

  async function next(): Promise<PoolConnection> {
    for (;;) {
      const connection = await called<PoolConnection>((done) => pool.getConnection(done))
      if (!isOld(connection)) return connection
      connection.destroy()
    }
  }

  async function perform<T>(call: Abortable<T>, connection: PoolConnection, work: Work<T>) {
    try {
      const value = await work(connection)
      lastAnswerAt = performance.now()
      call.resolve(value)
    } catch (err) {
      // A new one goes through the address, which may lead to another server by then.
      if (isUnwritable(err)) connection.destroy()
      call.reject(err)
    }
  }

  return {
    /**
     * Runs `work` on a connection until it ends, the signal aborts or all is given up; then gives the
     * connection back. One that comes after its call has given up goes back unused.
     */
    run<T>(signal: AbortSignal, work: Work<T>): Promise<T> {
      let connection: PoolConnection | undefined
      const call = abortable<T>(signal, (givenUp) => {
        running.remove(entry)
        if (connection === undefined) return
        if (givenUp || isOld(connection)) connection.destroy()
        else connection.release()
      })
      const entry = running.add(call)
      next().then((got) => {
        if (call.isOver()) return got.release()
        connection = got
        return perform(call, got, work)
      }, call.reject)
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
