import type { ErrorReason } from '../gen/api/order/v1/error_reason_pb.ts'
import { DomainError, type FieldViolation, invalidInput, type ReasonOf } from './error.ts'
import { type OrderOrigin, storedKey } from './order-origin.ts'

type Reason = ReasonOf<typeof ErrorReason>

/** Some pieces of a product. */
export interface OrderItem {
  productId: bigint
  quantity: number
  /** Of one piece, in cents. */
  price: bigint
}

/** What a client orders. No product is in it twice. */
export interface OrderDraft {
  userId: bigint
  items: readonly OrderItem[]
}

/** What becomes of an order. */
export type OrderStatus = 'created' | 'cancelled'

/** A stored order. Its items are by ascending product. */
export interface Order extends OrderDraft {
  id: bigint
  status: OrderStatus
  /** In cents. */
  total: bigint
  createdAt: Date
}

/** An order to store, without the id that the database assigns. */
export type NewOrder = Omit<Order, 'id'> & {
  /** Under which no other order may be stored; undefined: under none. */
  key: string | undefined
}

/** What came of an order to store. If it is not stored, nothing is. */
export type Insertion =
  | { outcome: 'stored'; id: bigint }
  | { outcome: 'key_taken' }
  /** `left` pieces of a product are less than the order has of it. */
  | { outcome: 'short'; item: OrderItem; left: bigint }

/** The part of the list to read: up to `limit` orders after an id, of all users or of one. */
export interface OrderWindow {
  userId: bigint | undefined
  after: bigint
  limit: number
}

/** Storage of orders and of the stock that they take from. Fails as the storage of users. */
export interface OrderRepo {
  /** Stores an order and takes its pieces from the stock, both or neither. */
  insertOrder(order: NewOrder, signal: AbortSignal): Promise<Insertion>
  find(id: bigint, signal: AbortSignal): Promise<Order | undefined>
  findByKey(key: string, signal: AbortSignal): Promise<Order | undefined>
  /** Orders by ascending id; may be read from a replica that lags behind. */
  list(window: OrderWindow, signal: AbortSignal): Promise<Order[]>
  /**
   * Cancels an order and gives its pieces back to the stock, unless it is cancelled already. Gives the
   * order afterwards; undefined if there is none.
   */
  cancel(id: bigint, signal: AbortSignal): Promise<Order | undefined>
  /** Those of the products that there are, in any order. */
  knownProducts(ids: readonly bigint[], signal: AbortSignal): Promise<bigint[]>
}

/** What orders ask of users. */
export interface Customers {
  /**
   * Fails with USER_NOT_FOUND, and with USERS_UNAVAILABLE if nobody can tell now whether there is such
   * a user.
   */
  validateUser(id: bigint, signal: AbortSignal): Promise<void>
}

/** The rules of products. */
interface Products {
  /** Fails with PRODUCT_NOT_FOUND for the first product that there is not. */
  validateProduct(ids: readonly bigint[], signal: AbortSignal): Promise<void>
}

/** Makes the rules of products. */
export function productRules(repo: Pick<OrderRepo, 'knownProducts'>): Products {
  return {
    async validateProduct(ids, signal) {
      const known = new Set(await repo.knownProducts(ids, signal))
      const unknown = ids.find((id) => !known.has(id))
      if (unknown !== undefined)
        throw new DomainError<Reason>({
          kind: 'not_found',
          reason: 'PRODUCT_NOT_FOUND',
          message: `there is no product ${unknown}`,
          metadata: { product_id: String(unknown) },
        })
    },
  }
}

/** One page of the list, by ascending id. */
interface OrderPage {
  orders: Order[]
  /** The id after which the next page starts; undefined on the last page. */
  next: bigint | undefined
}

const defaultPageSize = 20
const maxPageSize = 100
/** Above it a double cannot tell every cent. */
const maxTotal = 10n ** 15n

interface Rules {
  repo: OrderRepo
  customers: Customers
  products: Products
  /** Gives the time of creation. */
  now: () => Date
}

/** The operations on orders, as orderUsecase makes them. */
export type OrderUsecase = ReturnType<typeof orderUsecase>

/** The rules of orders. Drafts must be valid by the rules in order.proto. */
export function orderUsecase({ repo, customers, products, now }: Rules) {
  /** The order that is stored under the key of another one, which must have the same content. */
  async function stored(key: string, draft: OrderDraft, signal: AbortSignal) {
    const found = await repo.findByKey(key, signal)
    if (found && !isSame(found, draft)) throw keyReused()
    return found
  }

  return {
    /**
     * Fails with USER_NOT_FOUND, PRODUCT_NOT_FOUND, INSUFFICIENT_STOCK and USERS_UNAVAILABLE. With a
     * key that its caller has used before, gives the order that was stored under it, or fails with
     * IDEMPOTENCY_KEY_REUSED if that has another content.
     */
    async create(given: OrderDraft, origin: OrderOrigin, signal: AbortSignal): Promise<Order> {
      const draft = inOrder(given)
      const key = storedKey(origin)
      const total = totalOf(draft)
      const known = key === undefined ? undefined : await stored(key, draft, signal)
      if (known) return known
      // Before the transaction, which holds a connection and locks.
      await customers.validateUser(draft.userId, signal)
      await products.validateProduct(
        draft.items.map(({ productId }) => productId),
        signal,
      )
      const order = { ...draft, status: 'created' as const, total, createdAt: now() }
      const insertion = await repo.insertOrder({ ...order, key }, signal)
      if (insertion.outcome === 'stored') return { id: insertion.id, ...order }
      if (insertion.outcome === 'short') throw insufficientStock(insertion)
      // Another call with the key was faster.
      return (await stored(key ?? '', draft, signal)) ?? gone()
    },

    /** Fails with ORDER_NOT_FOUND. */
    async get(id: bigint, signal: AbortSignal): Promise<Order> {
      return (await repo.find(id, signal)) ?? notFound(id)
    },

    /** `limit` 0 is the default. */
    async list(window: OrderWindow, signal: AbortSignal): Promise<OrderPage> {
      const size = Math.min(window.limit || defaultPageSize, maxPageSize)
      // One more than the page has shows whether it is the last.
      const rows = await repo.list({ ...window, limit: size + 1 }, signal)
      const orders = rows.slice(0, size)
      return { orders, next: rows.length > size ? orders.at(-1)?.id : undefined }
    },

    /** Fails with ORDER_NOT_FOUND. An order that is cancelled already stays as it is. */
    async cancel(id: bigint, signal: AbortSignal): Promise<Order> {
      return (await repo.cancel(id, signal)) ?? notFound(id)
    },
  }
}

/** The items by ascending product: the order in which their stock is taken, and given back. */
function inOrder({ userId, items }: OrderDraft): OrderDraft {
  return { userId, items: items.toSorted((a, b) => (a.productId < b.productId ? -1 : 1)) }
}

function totalOf({ items }: OrderDraft): bigint {
  const total = items.reduce((sum, { price, quantity }) => sum + price * BigInt(quantity), 0n)
  if (total <= maxTotal) return total
  throw invalidOrderInput([
    { field: 'items', rule: `must cost at most ${maxTotal / 100n} together` },
  ])
}

function isSame(a: OrderDraft, b: OrderDraft): boolean {
  return a.userId === b.userId && contentOf(a) === contentOf(b)
}

function contentOf({ items }: OrderDraft): string {
  return items.map(({ productId, quantity, price }) => [productId, quantity, price]).join(';')
}

/** The error of a request with invalid fields, as invalidInput makes it, with INVALID_ORDER_INPUT. */
export function invalidOrderInput(broken: readonly FieldViolation[], further = 0): DomainError {
  return invalidInput<Reason>('INVALID_ORDER_INPUT', broken, further)
}

function insufficientStock({ item, left }: Extract<Insertion, { outcome: 'short' }>): DomainError {
  const { productId, quantity } = item
  return new DomainError<Reason>({
    kind: 'failed_precondition',
    reason: 'INSUFFICIENT_STOCK',
    message: `of the product ${productId} the stock has ${left}, and the order ${quantity}`,
    metadata: { product_id: String(productId), ordered: String(quantity), left: String(left) },
  })
}

function keyReused(): DomainError {
  return new DomainError<Reason>({
    kind: 'already_exists',
    reason: 'IDEMPOTENCY_KEY_REUSED',
    message: 'the idempotency-key is that of an order with another content',
  })
}

/** Orders are not deleted, so this is a fault. */
function gone(): never {
  throw new Error('the order of an idempotency key is not there')
}

function notFound(id: bigint): never {
  throw new DomainError<Reason>({
    kind: 'not_found',
    reason: 'ORDER_NOT_FOUND',
    message: `there is no order ${id}`,
    metadata: { order_id: String(id) },
  })
}
