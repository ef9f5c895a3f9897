import { drizzleOrm } from '../../drizzle.ts'
import type { OrderStatus } from '../../../biz/order.ts'
import { mysqlCore } from '../drizzle.ts'
import { binaryVarchar, money } from './columns.ts'

const { sql } = drizzleOrm
const { bigint, datetime, index, int, mysqlTable, primaryKey, uniqueIndex } = mysqlCore

/** The orders of MySQL. */
export const orders = mysqlTable(
  'orders',
  {
    id: bigint('id', { mode: 'bigint' }).autoincrement().primaryKey(),
    userId: bigint('user_id', { mode: 'bigint' }).notNull(),
    status: binaryVarchar('status', { length: 16 }).$type<OrderStatus>().notNull(),
    total: money('total').notNull(),
    key: binaryVarchar('idempotency_key', { length: 128 }),
    createdAt: datetime('created_at', { mode: 'date', fsp: 3 })
      .notNull()
      .default(sql`CURRENT_TIMESTAMP(3)`),
  },
  (table) => [
    uniqueIndex('orders_idempotency_key_unique').on(table.key),
    index('orders_user_id').on(table.userId, table.id),
  ],
)

/** The items of the orders of MySQL. No foreign key: it would lock the product before its stock is taken. */
export const orderItems = mysqlTable(
  'order_items',
  {
    orderId: bigint('order_id', { mode: 'bigint' }).notNull(),
    productId: bigint('product_id', { mode: 'bigint' }).notNull(),
    quantity: int('quantity').notNull(),
    price: money('price').notNull(),
  },
  (table) => [primaryKey({ columns: [table.orderId, table.productId] })],
)

/** The products of MySQL, with the pieces that are left of each. */
export const products = mysqlTable('products', {
  id: bigint('id', { mode: 'bigint' }).autoincrement().primaryKey(),
  name: binaryVarchar('name', { length: 100 }).notNull(),
  stock: bigint('stock', { mode: 'bigint' }).notNull(),
})
