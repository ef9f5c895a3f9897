import { drizzleOrm } from '../drizzle.ts'
import { powersOfTwo } from '../batch/powers-of-two.ts'
import type { OrderQueries, OrderRow } from '../queries.ts'
import { mysqlDriver } from './drizzle.ts'
import type { Runner } from './execute.ts'
import { orderItems, orders, products } from './schema/order.ts'
import { keyed, rowReader, sized, statement } from './statement.ts'

const { and, asc, eq, gt, gte, inArray, sql } = drizzleOrm
const { placeholder } = sql
const { id, userId, status, total, createdAt } = orders
const { productId, quantity, price } = orderItems
const columns = { id, userId, status, total, createdAt, productId, quantity, price }
const rowOf: (values: readonly unknown[]) => OrderRow = rowReader(columns)
const productOf = rowReader({ id: products.id })
const stockOf = rowReader({ stock: products.stock })

/** The statements of orders and products, by what runs them on one connection. */
export function mysqlOrderQueries(run: Runner): OrderQueries {
  const all = statements()
  const { insert, insertItems, item, find, findByKey, page, pageOfUser } = all

  async function rows(sql: string, values: unknown[]): Promise<OrderRow[]> {
    return (await run.rows(sql, values)).map(rowOf)
  }
  async function matched(sql: string, values: unknown[]): Promise<boolean> {
    return (await run.change(sql, values)).affectedRows > 0
  }
  return {
    async insert({ key = null, ...order }) {
      const { insertId } = await run.change(insert.sql, insert.parameters({ key, ...order }))
      return BigInt(insertId)
    },
    async insertItems(orderId, items) {
      for (const some of powersOfTwo(items)) {
        const values = some.flatMap((each) => item.parameters({ orderId, ...each }))
        await run.change(insertItems(some.length), values)
      }
    },
    find: (orderId) => rows(find.sql, [orderId]),
    findByKey: (key) => rows(findByKey.sql, [key]),
    page(window) {
      const { sql, parameters } = window.userId === undefined ? page : pageOfUser
      return rows(sql, parameters({ ...window }))
    },
    cancel: (orderId) => matched(all.cancel.sql, all.cancel.parameters({ id: orderId })),
    async knownProducts(ids) {
      const { sql, values } = all.knownProducts(ids)
      return (await run.rows(sql, values)).map((row) => productOf(row).id)
    },
    async stock(product) {
      const [row] = await run.rows(all.stock.sql, [product])
      return row === undefined ? 0n : stockOf(row).stock
    },
    take: (taken) => matched(all.take.sql, all.take.parameters({ ...taken })),
    async giveBack(given) {
      await run.change(all.giveBack.sql, all.giveBack.parameters({ ...given }))
    },
  }
}

let built: ReturnType<typeof build> | undefined

/** They are built when an order is first asked for. */
function statements() {
  return (built ??= build())
}

function build() {
  const db = mysqlDriver.drizzle.mock()
  const itemRow = {
    orderId: placeholder('orderId'),
    productId: placeholder('productId'),
    quantity: placeholder('quantity'),
    price: placeholder('price'),
  }
  const row = {
    userId: placeholder('userId'),
    status: placeholder('status'),
    total: placeholder('total'),
    key: placeholder('key'),
    createdAt: placeholder('createdAt'),
  }
  const pieces = placeholder('quantity')
  return {
    insert: statement(db.insert(orders).values(row)),
    item: statement(db.insert(orderItems).values(itemRow)),
    insertItems: sized((count) =>
      db.insert(orderItems).values(Array.from({ length: count }, () => itemRow)),
    ),
    ...reads(db),
    cancel: statement(
      db
        .update(orders)
        .set({ status: 'cancelled' })
        .where(and(eq(id, placeholder('id')), eq(status, 'created'))),
    ),
    knownProducts: keyed((ids) =>
      db.select({ id: products.id }).from(products).where(inArray(products.id, ids)),
    ),
    stock: statement(
      db
        .select({ stock: products.stock })
        .from(products)
        .where(eq(products.id, placeholder('id'))),
    ),
    take: statement(
      db
        .update(products)
        .set({ stock: sql`${products.stock} - ${pieces}` })
        .where(and(eq(products.id, placeholder('productId')), gte(products.stock, pieces))),
    ),
    giveBack: statement(
      db
        .update(products)
        .set({ stock: sql`${products.stock} + ${pieces}` })
        .where(eq(products.id, placeholder('productId'))),
    ),
  }
}

/** Each reads the orders with their items in one statement, so that they are of one moment. */
function reads(db: ReturnType<typeof mysqlDriver.drizzle.mock>) {
  const rows = () =>
    db.select(columns).from(orders).innerJoin(orderItems, eq(orderItems.orderId, id))
  const ids = () => db.select({ id: orders.id }).from(orders)
  const isAfter = gt(id, placeholder('after'))
  const limit = placeholder('limit')
  const page = ids().where(isAfter).orderBy(asc(id)).limit(limit).as('page')
  const ofUser = ids()
    .where(and(eq(userId, placeholder('userId')), isAfter))
    .orderBy(asc(id))
    .limit(limit)
    .as('page')
  return {
    find: statement(
      rows()
        .where(eq(id, placeholder('id')))
        .orderBy(asc(productId)),
    ),
    findByKey: statement(
      rows()
        .where(eq(orders.key, placeholder('key')))
        .orderBy(asc(productId)),
    ),
    page: statement(rows().innerJoin(page, eq(page.id, id)).orderBy(asc(id), asc(productId))),
    pageOfUser: statement(
      rows().innerJoin(ofUser, eq(ofUser.id, id)).orderBy(asc(id), asc(productId)),
    ),
  }
}
