import { test } from 'tap'
import type { Database } from '../../../src/data/database.ts'
import { sqliteDatabase } from '../../../src/data/sqlite/database.ts'
import { cachedOrders } from '../../../src/data/redis/order.ts'
import { cachedUsers } from '../../../src/data/redis/user.ts'
import { userRepo } from '../../../src/data/user.ts'
import { freshSqlitePath } from '../../help/db.ts'

const signal = new AbortController().signal
const ada = { name: 'Ada', email: 'ada@example.org', phone: '', createdAt: new Date(1_234) }

test('a user comes from Redis as it went there', async (t) => {
  const user = { id: 2n ** 62n, ...ada, name: 'Ada 💾' }
  t.same(cachedUsers.decode(cachedUsers.encode(user)), user)
  t.throws(() => cachedUsers.decode(Buffer.from('nonsense')))
  t.throws(() => cachedUsers.decode(Buffer.from('')))
})

test('an order comes from Redis as it went there', async (t) => {
  const items = [
    { productId: 1n, quantity: 3, price: 10n },
    { productId: 2n ** 62n, quantity: 1, price: 10n ** 15n },
  ]
  const parts = { id: 7n, userId: 1n, total: 10n ** 15n + 30n, createdAt: new Date(1_234) }
  for (const status of ['created', 'cancelled'] as const) {
    const order = { ...parts, status, items }
    t.same(cachedOrders.decode(cachedOrders.encode(order)), order)
  }
  t.throws(() => cachedOrders.decode(Buffer.from('')))
})

test('a write whose commit has failed is told of as one that may still come', async (t) => {
  const db = sqliteDatabase(freshSqlitePath(t))
  t.teardown(() => db.close())
  await db.migrate()
  const failing: Database = {
    ...db,
    async tx(...args) {
      await db.tx(...args)
      throw new Error('the connection is gone')
    },
  }
  const told: unknown[] = []
  const options = {
    total: { exactUpTo: 1, maxAgeMs: 1 },
    changed: async (...args: unknown[]) => void told.push(args),
  }
  await t.rejects(userRepo(failing, options).insert(ada, signal), { message: /is gone/ })
  t.equal(await userRepo(db, options).delete(1n, signal), true)
  t.equal(await userRepo(db, options).delete(1n, signal), false)
  t.same(told, [
    [[1n], false],
    [[1n], true],
  ])
})
