import type { Insertion, NewOrder, Order, OrderItem, OrderRepo } from '../biz/order.ts'
import { type Changed, type Note, notedWrites } from './changes/noted-writes.ts'
import type { Database } from './database.ts'
import { UniqueViolation } from './error.ts'
import type { OrderQueries, OrderRow, Queries } from './queries.ts'
import type { Reads } from './read-replica.ts'

interface OrderRepoOptions {
  /** Where lists come from, which may lag behind. */
  reads?: Reads
  changed?: Changed | undefined
}

/** Orders in either database. */
export function orderRepo(db: Database, { reads = db, changed }: OrderRepoOptions = {}): OrderRepo {
  const tx = notedWrites(db, changed)
  return {
    insertOrder: (order, signal) =>
      insertion(tx(signal, (queries, note) => insert(queries, order, note))),
    find: (id, signal) => db.use(signal, ({ orders }) => found(orders, id)),
    findByKey: (key, signal) =>
      db.use(signal, async ({ orders }) => ordersOf(await orders.findByKey(key))[0]),
    list: (window, signal) =>
      reads.use(signal, async ({ orders }) => ordersOf(await orders.page(window))),
    cancel: (id, signal) =>
      tx(signal, async ({ orders }, note) => {
        const isChanged = await orders.cancel(id)
        const order = await found(orders, id)
        if (order && isChanged) for (const item of order.items) await orders.giveBack(item)
        if (isChanged) note([id])
        return order
      }),
    knownProducts: (ids, signal) => db.use(signal, ({ orders }) => orders.knownProducts(ids)),
  }
}

/**
 * The stock comes last, since other orders of the product wait for it from here to the end of the
 * transaction; and by ascending product, so that two orders wait for each other in one direction only.
 */
async function insert({ orders }: Queries, order: NewOrder, note: Note): Promise<bigint> {
  const id = await orders.insert(order)
  await orders.insertItems(id, order.items)
  for (const item of order.items)
    if (!(await orders.take(item))) throw new Shortage(item, await orders.stock(item.productId))
  note([id])
  return id
}

/** Ends the transaction of an order that has more pieces of a product than there are. */
class Shortage extends Error {
  override readonly name = 'Shortage'
  readonly item: OrderItem
  readonly left: bigint

  constructor(item: OrderItem, left: bigint) {
    super('insufficient stock')
    this.item = item
    this.left = left
  }
}

async function insertion(stored: Promise<bigint>): Promise<Insertion> {
  try {
    return { outcome: 'stored', id: await stored }
  } catch (err) {
    if (err instanceof UniqueViolation) return { outcome: 'key_taken' }
    if (err instanceof Shortage) return { outcome: 'short', item: err.item, left: err.left }
    throw err
  }
}

async function found(orders: OrderQueries, id: bigint): Promise<Order | undefined> {
  return ordersOf(await orders.find(id))[0]
}

/** Puts together the rows of each order, which follow one another. */
function ordersOf(rows: readonly OrderRow[]): Order[] {
  const orders: (Order & { items: OrderItem[] })[] = []
  for (const { productId, quantity, price, ...order } of rows) {
    const item = { productId, quantity, price }
    const last = orders.at(-1)
    if (last?.id === order.id) last.items.push(item)
    else orders.push({ ...order, items: [item] })
  }
  return orders
}
