import type { NewOrder, Order, OrderItem, OrderWindow } from '../biz/order.ts'
import type { NewUser, User, UserFields, UserRepo } from '../biz/user.ts'
import type { ChangeQueries } from './changes/source.ts'
import type { Shared } from './statement-observer.ts'

/** The id of a stored user, with the mail address by which its insert is found. */
export type Stored = Pick<User, 'id' | 'email'>

/** The statements of every noun on one connection; a transaction may use those of several. */
export interface Queries {
  readonly users: UserQueries
  /** The history of the users. */
  readonly userChanges: ChangeQueries
  readonly orders: OrderQueries
}

/** A repository's methods without the signal, which a call has given to get the connection. */
type OnConnection<Repo> = {
  [Name in keyof Repo]: Repo[Name] extends (...args: [...infer Args, AbortSignal]) => infer Result
    ? (...args: Args) => Result
    : never
}

/**
 * The statements of the users table on one connection; each is built once. A method of the repository
 * is one statement, except for those that are made of other ones here.
 */
export interface UserQueries extends OnConnection<
  Omit<UserRepo, 'list' | 'update' | 'delete' | 'apply'>
> {
  /**
   * Stores a user and records that, in a transaction of its own, by one statement; undefined where the
   * database has no such statement.
   */
  insertRecorded?(user: NewUser): Promise<bigint> | undefined
  /** Stores all of them, or none if in a transaction. */
  insertMany(users: readonly NewUser[], shared?: Shared): Promise<Stored[]>
  /** As the repository's; for several calls, it is told of them. */
  findMany(ids: readonly bigint[], shared?: Shared): Promise<User[]>
  after(id: bigint, limit: number, shared?: Shared): Promise<User[]>
  window(offset: number, limit: number, shared?: Shared): Promise<User[]>
  /** As `find`, of a row that until the end of the transaction only this one can change. */
  lock(id: bigint): Promise<User | undefined>
  /** Gives whether there was a row. */
  update(id: bigint, changes: Partial<UserFields>): Promise<boolean>
  /** Gives whether there was a row. */
  delete(id: bigint): Promise<boolean>
}

/** An order with one of its items; it has a row for each. */
export type OrderRow = Omit<Order, 'items'> & OrderItem

/**
 * The statements of orders and products on one connection; each method is one. Rows come by ascending
 * order, and then by ascending product.
 */
export interface OrderQueries {
  /** Stores an order without its items; fails with UniqueViolation if its key is taken. */
  insert(order: NewOrder): Promise<bigint>
  insertItems(id: bigint, items: readonly OrderItem[]): Promise<void>
  find(id: bigint): Promise<OrderRow[]>
  findByKey(key: string): Promise<OrderRow[]>
  page(window: OrderWindow): Promise<OrderRow[]>
  /** Gives whether there was such an order that was not cancelled. */
  cancel(id: bigint): Promise<boolean>
  knownProducts(ids: readonly bigint[]): Promise<bigint[]>
  /** The pieces left of a product; 0 of one that there is not. */
  stock(productId: bigint): Promise<bigint>
  /** Takes the pieces of an item from the stock; false, and none are taken, if there are fewer. */
  take(item: OrderItem): Promise<boolean>
  giveBack(item: OrderItem): Promise<void>
}

/**
 * Builds a noun's statements when a call first asks for them, and then keeps them: a connection that
 * serves one noun does not pay for the others.
 */
export function lazily<T extends object>(builders: { [Noun in keyof T]: () => T[Noun] }): T {
  const built: Partial<T> = {}
  const nouns = Object.keys(builders) as (keyof T)[]
  const properties = nouns.map((noun) => [
    noun,
    { enumerable: true, get: () => (built[noun] ??= builders[noun]()) },
  ])
  return Object.defineProperties({}, Object.fromEntries(properties)) as T
}
