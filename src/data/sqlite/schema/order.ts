import type { OrderStatus } from '../../../biz/order.ts'
import { drizzleOrm } from '../../drizzle.ts'
import { sqliteCore } from '../drizzle.ts'
import { bigInteger, epochMs, smallInteger } from './columns.ts'

const { sql } = drizzleOrm
const { index, primaryKey, sqliteTable, text, uniqueIndex } = sqliteCore

/** The orders of SQLite. Money is in cents. */
export const orders = sqliteTable(
  'orders',
  {
    id: bigInteger('id').primaryKey(),
    userId: bigInteger('user_id').notNull(),
    status: text('status').$type<OrderStatus>().notNull(),
    total: bigInteger('total').notNull(),
    key: text('idempotency_key'),
    createdAt: epochMs('created_at')
      .notNull()
      .default(sql`(cast(unixepoch('subsec') * 1000 as integer))`),
  },
  (table) => [
    uniqueIndex('orders_idempotency_key_unique').on(table.key),
    index('orders_user_id').on(table.userId, table.id),
  ],
)

/** The items of the orders of SQLite. */
export const orderItems = sqliteTable(
  'order_items',
  {
    orderId: bigInteger('order_id').notNull(),
    productId: bigInteger('product_id').notNull(),
    quantity: smallInteger('quantity').notNull(),
    price: bigInteger('price').notNull(),
  },
  (table) => [primaryKey({ columns: [table.orderId, table.productId] })],
)

/** The products of SQLite, with the pieces that are left of each. */
export const products = sqliteTable('products', {
  id: bigInteger('id').primaryKey(),
  name: text('name').notNull(),
  stock: bigInteger('stock').notNull(),
})
