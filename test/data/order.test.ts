import { DatabaseSync } from 'node:sqlite'
import { Code, ConnectError } from '@connectrpc/connect'
import { createConnection } from 'mysql2/promise'
import { type Test, test } from 'tap'
import { DomainError } from '../../src/biz/error.ts'
import type { NewOrder, OrderItem, OrderRepo } from '../../src/biz/order.ts'
import { userCustomers } from '../../src/data/customers.ts'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { orderRepo } from '../../src/data/order.ts'
import { sqliteDatabase } from '../../src/data/sqlite/database.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { freshMysqlDatabase, freshSqlitePath } from '../help/db.ts'
import { started } from '../help/started.ts'

const signal = new AbortController().signal
const pool = { size: 10, maxWaiting: 1024, waitMs: 60_000 }

interface Stored {
  orders: OrderRepo
  /** Runs one statement past the adapter. */
  execute: (sql: string) => Promise<void>
  stock: (productId: bigint) => Promise<bigint>
}

function suite(title: string, run: (t: Test, stored: Stored) => Promise<void>): void {
  test(`${title} (MySQL)`, async (t) => {
    const source = await freshMysqlDatabase(t)
    const db = await started(mysqlDatabase({ source, pool }))
    t.teardown(() => db.close())
    const other = await createConnection(source)
    t.teardown(() => other.end())
    const stock = (id: bigint) => db.use(signal, ({ orders }) => orders.stock(id))
    const execute = async (sql: string) => void (await other.query(sql))
    await run(t, { orders: orderRepo(db), stock, execute })
  })
  test(`${title} (SQLite)`, async (t) => {
    const path = freshSqlitePath(t)
    const db = await started(sqliteDatabase(path))
    t.teardown(() => db.close())
    const stock = (id: bigint) => db.use(signal, ({ orders }) => orders.stock(id))
    await run(t, {
      orders: orderRepo(db),
      stock,
      async execute(sql) {
        using connection = new DatabaseSync(path)
        connection.exec(sql)
      },
    })
  })
}

const pieces = (productId: bigint, quantity: number, price = 250n): OrderItem => ({
  productId,
  quantity,
  price,
})

function newOrder(items: OrderItem[], fields: Partial<NewOrder> = {}): NewOrder {
  const total = items.reduce((sum, { quantity, price }) => sum + BigInt(quantity) * price, 0n)
  const createdAt = new Date(1_700_000_000_123)
  return { userId: 7n, items, status: 'created', total, createdAt, key: undefined, ...fields }
}

function insertId(insertion: Awaited<ReturnType<OrderRepo['insertOrder']>>): bigint {
  return insertion.outcome === 'stored' ? insertion.id : 0n
}

suite('an order is found as it was stored, by its id and its key', async (t, stored) => {
  const { orders, stock } = stored
  const items = [pieces(1n, 3, 1n), pieces(2n, 10_000, 99_999_999_999n)]
  await stored.execute('UPDATE products SET stock = 10000')
  const { key, ...order } = newOrder(items, { userId: 2n ** 53n + 1n, key: 'A;"\'\\ %' })
  const id = insertId(await orders.insertOrder({ ...order, key }, signal))
  t.strictSame(await orders.find(id, signal), { id, ...order })
  t.strictSame(await orders.findByKey(key ?? '', signal), { id, ...order })
  t.equal(await orders.findByKey('a;"\'\\ %', signal), undefined, 'a key has a case')
  t.equal(await orders.find(id + 1n, signal), undefined)
  t.strictSame([await stock(1n), await stock(2n)], [9997n, 0n])
  t.strictSame(new Set(await orders.knownProducts([1n, 99n, 2n], signal)), new Set([1n, 2n]))
})

suite('an order of 100 products is stored whole', async (t, { orders, execute }) => {
  const items = Array.from({ length: 100 }, (_, at) => pieces(BigInt(at) + 100n, at + 1))
  const rows = items.map(({ productId }) => `(${productId}, 'P', 100)`).join(', ')
  await execute(`INSERT INTO products (id, name, stock) VALUES ${rows}`)
  const id = insertId(await orders.insertOrder(newOrder(items), signal))
  t.strictSame((await orders.find(id, signal))?.items, items)
})

suite('an order of which one product is short leaves nothing behind', async (t, stored) => {
  const { orders, stock } = stored
  const items = [pieces(1n, 1), pieces(3n, 2)]
  const order = newOrder(items, { key: 'k' })
  const insertion = await orders.insertOrder(order, signal)
  t.strictSame(insertion, { outcome: 'short', item: items[1], left: 1n })
  t.strictSame([await stock(1n), await stock(3n)], [1_000_000n, 1n])
  t.equal(await orders.findByKey('k', signal), undefined)
  t.strictSame(await orders.list({ userId: undefined, after: 0n, limit: 9 }, signal), [])
  const unknown = await orders.insertOrder(newOrder([pieces(99n, 1)]), signal)
  t.match(unknown, { outcome: 'short', left: 0n })
})

suite('500 orders at once sell what there is, and no more', async (t, stored) => {
  const { orders, stock } = stored
  await stored.execute('UPDATE products SET stock = 300 WHERE id = 1')
  await stored.execute('UPDATE products SET stock = 1000 WHERE id = 2')
  const all = Array.from({ length: 500 }, (_, at) => {
    const items = [pieces(1n, 1), pieces(2n, 2)]
    return orders.insertOrder(newOrder(at % 2 === 0 ? items : items.slice(0, 1)), signal)
  })
  const outcomes = Object.groupBy(await Promise.all(all), ({ outcome }) => outcome)
  t.equal(outcomes.stored?.length, 300)
  t.equal(outcomes.short?.length, 200)
  const list = await orders.list({ userId: undefined, after: 0n, limit: 1000 }, signal)
  const sold = list.flatMap(({ items }) => items).filter(({ productId }) => productId === 2n)
  t.equal(list.length, 300)
  t.equal(await stock(1n), 0n)
  t.equal(await stock(2n), 1000n - 2n * BigInt(sold.length))
})

suite('a key is taken once by ten orders at once', async (t, { orders, stock }) => {
  const order = newOrder([pieces(2n, 1)], { key: 'k' })
  const all = Array.from({ length: 10 }, () => orders.insertOrder(order, signal))
  const outcomes = Object.groupBy(await Promise.all(all), ({ outcome }) => outcome)
  t.strictSame([outcomes.stored?.length, outcomes.key_taken?.length], [1, 9])
  t.equal(await stock(2n), 999n)
  t.match(await orders.findByKey('k', signal), { id: insertId(outcomes.stored?.[0] ?? never) })
})

const never = { outcome: 'key_taken' } as const

suite('an order is cancelled once, however often it is asked for', async (t, stored) => {
  const { orders, stock } = stored
  const id = insertId(await orders.insertOrder(newOrder([pieces(1n, 5), pieces(2n, 7)]), signal))
  const all = Array.from({ length: 10 }, () => orders.cancel(id, signal))
  const cancelled = { ...(await orders.find(id, signal)), status: 'cancelled' }
  for (const order of await Promise.all(all)) t.strictSame(order, cancelled)
  t.strictSame([await stock(1n), await stock(2n)], [1_000_000n, 1000n])
  t.equal(await orders.cancel(id + 1n, signal), undefined)
})

suite(
  'orders and their cancellations at once end with the stock that is left',
  async (t, stored) => {
    const { orders, stock } = stored
    await stored.execute('UPDATE products SET stock = 1000')
    const items = [pieces(1n, 1), pieces(2n, 1), pieces(3n, 1)]
    async function orderAndCancel(): Promise<void> {
      const id = insertId(await orders.insertOrder(newOrder(items), signal))
      await orders.cancel(id, signal)
    }
    await Promise.all(Array.from({ length: 60 }, orderAndCancel))
    t.strictSame([await stock(1n), await stock(2n), await stock(3n)], [1000n, 1000n, 1000n])
  },
)

suite('a list goes by id, of all users or of one', async (t, { orders }) => {
  const ids: bigint[] = []
  for (const userId of [1n, 2n, 1n, 1n]) {
    const order = newOrder([pieces(1n, 1), pieces(2n, 1)], { userId })
    ids.push(insertId(await orders.insertOrder(order, signal)))
  }
  const [first = 0n, second, third, last] = ids
  const listed = async (userId: bigint | undefined, after: bigint, limit: number) =>
    (await orders.list({ userId, after, limit }, signal)).map(({ id, items }) => [id, items.length])
  t.strictSame(await listed(undefined, 0n, 2), [
    [first, 2],
    [second, 2],
  ])
  t.strictSame(await listed(1n, first, 9), [
    [third, 2],
    [last, 2],
  ])
  t.strictSame(await listed(3n, 0n, 9), [])
})

test('what the service of users says is told in the words of orders', async (t) => {
  const notFound = new ConnectError('', Code.NotFound, undefined, [
    { desc: ErrorInfoSchema, value: { reason: 'USER_NOT_FOUND' } },
  ])
  const refused = async (err: ConnectError, signal: AbortSignal) => {
    const getUser = async () => {
      throw err
    }
    const customers = userCustomers({ getUser })
    return customers.validateUser(7n, signal).catch((err: unknown) => err)
  }
  const missing = { kind: 'not_found', reason: 'USER_NOT_FOUND', metadata: { user_id: '7' } }
  t.match(await refused(notFound, signal), missing)
  for (const code of [Code.Unavailable, Code.DeadlineExceeded, Code.ResourceExhausted]) {
    const err = new ConnectError('', code)
    const unavailable = { kind: 'unavailable', reason: 'USERS_UNAVAILABLE', cause: err }
    t.match(await refused(err, signal), unavailable)
  }
  // A path that is not there says nothing of a user.
  for (const code of [Code.NotFound, Code.Internal, Code.Unimplemented]) {
    const err = new ConnectError('', code)
    const failed = await refused(err, signal)
    t.match(failed, { message: 'the service of users failed', cause: err })
    t.notOk(failed instanceof DomainError)
  }
  const gone = new Error('the caller has gone')
  t.equal(await refused(notFound, AbortSignal.abort(gone)), gone)
})
