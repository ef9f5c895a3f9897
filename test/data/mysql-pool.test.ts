import { test } from 'tap'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { freshMysqlDatabase } from '../help/db.ts'
import { started } from '../help/started.ts'

const { signal } = new AbortController()

test('a call goes on when all answers that have arrived are read, and their connections are free', async (t) => {
  const source = await freshMysqlDatabase(t)
  const pool = { size: 2, maxWaiting: 0, waitMs: 30_000 }
  const db = mysqlDatabase({ source, pool })
  t.teardown(() => db.close())
  await started(db)

  /** How many connections are in use when the first of two calls goes on. */
  async function usedByOthers(blockMs: number): Promise<number | undefined> {
    const used: (number | undefined)[] = []
    const call = async () => {
      await db.use(signal, ({ users }) => users.find(1n))
      used.push(db.pools()[0]?.used)
    }
    const calls = [call(), call()]
    await new Promise(setImmediate)
    // Time for the server to answer both before the event loop looks.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs)
    await Promise.all(calls)
    return used[0]
  }

  // On a busy machine an answer may take longer.
  let used: number | undefined
  for (let ms = 10; used !== 0 && ms < 2000; ms *= 1.5) used = await usedByOthers(ms)
  t.equal(used, 0)
})
