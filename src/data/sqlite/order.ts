import type { AsyncRemoteCallback, SqliteRemoteDatabase } from 'drizzle-orm/sqlite-proxy'
import { drizzleOrm } from '../drizzle.ts'
import type { OrderQueries } from '../queries.ts'
import { sqliteProxy } from './drizzle.ts'
import { orderItems, orders, products } from './schema/order.ts'

const { and, asc, eq, gt, gte, inArray, sql } = drizzleOrm
const { placeholder } = sql
const { id, userId, status, total, createdAt } = orders
const { productId, quantity, price } = orderItems
const columns = { id, userId, status, total, createdAt, productId, quantity, price }

/** Builds the statements of orders and products on the one connection. */
export function sqliteOrderQueries(execute: AsyncRemoteCallback): OrderQueries {
  const db = sqliteProxy.drizzle(execute)
  const statements = { ...writes(db), ...reads(db) }
  return {
    async insert({ key = null, ...order }) {
      return (await statements.insert.get({ key, ...order })).id
    },
    async insertItems(orderId, items) {
      await db.insert(orderItems).values(items.map((item) => ({ orderId, ...item })))
    },
    find: async (orderId) => statements.find.all({ id: orderId }),
    findByKey: async (key) => statements.findByKey.all({ key }),
    async page(window) {
      const page = window.userId === undefined ? statements.page : statements.pageOfUser
      return page.all({ ...window })
    },
    async cancel(orderId) {
      return (await statements.cancel.all({ id: orderId })).length > 0
    },
    async knownProducts(ids) {
      const known = await db
        .select({ id: products.id })
        .from(products)
        .where(inArray(products.id, [...ids]))
      return known.map((product) => product.id)
    },
    async stock(product) {
      return (await statements.stock.get({ id: product }))?.stock ?? 0n
    },
    async take(item) {
      return (await statements.take.all({ ...item })).length > 0
    },
    async giveBack(item) {
      await statements.giveBack.run({ ...item })
    },
  }
}

function writes(db: SqliteRemoteDatabase) {
  const ofProduct = eq(products.id, placeholder('productId'))
  const pieces = placeholder('quantity')
  return {
    insert: db
      .insert(orders)
      .values({
        // SQLite gives the id.
        id: sql`null`,
        userId: placeholder('userId'),
        status: placeholder('status'),
        total: placeholder('total'),
        key: placeholder('key'),
        createdAt: placeholder('createdAt'),
      })
      .returning({ id })
      .prepare(),
    cancel: db
      .update(orders)
      .set({ status: 'cancelled' })
      .where(and(eq(id, placeholder('id')), eq(status, 'created')))
      .returning({ id })
      .prepare(),
    stock: db
      .select({ stock: products.stock })
      .from(products)
      .where(eq(products.id, placeholder('id')))
      .prepare(),
    take: db
      .update(products)
      .set({ stock: sql`${products.stock} - ${pieces}` })
      .where(and(ofProduct, gte(products.stock, pieces)))
      .returning({ id: products.id })
      .prepare(),
    giveBack: db
      .update(products)
      .set({ stock: sql`${products.stock} + ${pieces}` })
      .where(ofProduct)
      .prepare(),
  }
}

/** Each reads the orders with their items in one statement, so that they are of one moment. */
function reads(db: SqliteRemoteDatabase) {
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
    find: rows()
      .where(eq(id, placeholder('id')))
      .orderBy(asc(productId))
      .prepare(),
    findByKey: rows()
      .where(eq(orders.key, placeholder('key')))
      .orderBy(asc(productId))
      .prepare(),
    page: rows().innerJoin(page, eq(page.id, id)).orderBy(asc(id), asc(productId)).prepare(),
    pageOfUser: rows()
      .innerJoin(ofUser, eq(ofUser.id, id))
      .orderBy(asc(id), asc(productId))
      .prepare(),
  }
}
