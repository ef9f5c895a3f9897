import { test } from 'tap'
import { DomainError } from '../../src/biz/error.ts'
import {
  type Customers,
  type NewOrder,
  type Order,
  type OrderRepo,
  orderUsecase,
  productRules,
} from '../../src/biz/order.ts'

const signal = new AbortController().signal
const at = new Date(1_700_000_000_000)
const pens = { productId: 1n, quantity: 3, price: 25n }
const lamp = { productId: 2n, quantity: 1, price: 1999n }
const draft = { userId: 7n, items: [lamp, pens] }
const stored: Order = {
  id: 5n,
  userId: 7n,
  items: [pens, lamp],
  status: 'created',
  total: 2074n,
  createdAt: at,
}
const anonymous = { caller: undefined, key: undefined }
const keyed = { ...anonymous, key: 'k' }
const anybody: Customers = { validateUser: async () => undefined }

/** Over the methods that a test expects to be called; a call of another fails. */
function usecase(given: Partial<OrderRepo>, customers: Customers = anybody) {
  const repo = { knownProducts: async (ids: readonly bigint[]) => [...ids], ...given } as OrderRepo
  return orderUsecase({ repo, customers, products: productRules(repo), now: () => at })
}

async function refused(call: Promise<unknown>) {
  const err: unknown = await call.catch((err: unknown) => err)
  return err instanceof DomainError ? [err.kind, err.reason, err.metadata] : err
}

test('an order has its items by product, its total and the time', async (t) => {
  const inserted: NewOrder[] = []
  const orders = usecase({
    async insertOrder(order) {
      inserted.push(order)
      return { outcome: 'stored', id: 5n }
    },
  })
  t.strictSame(await orders.create(draft, anonymous, signal), stored)
  const { userId, items, status, total, createdAt } = stored
  t.strictSame(inserted, [{ userId, items, status, total, createdAt, key: undefined }])
})

test('the user is asked before a product, and nothing is stored without either', async (t) => {
  const asked: string[] = []
  const repo: Partial<OrderRepo> = {
    async knownProducts() {
      asked.push('products')
      return [1n]
    },
  }
  const missing = new DomainError({ kind: 'not_found', reason: 'USER_NOT_FOUND', message: '' })
  const nobody = {
    async validateUser(id: bigint) {
      asked.push(`user ${id}`)
      if (id === 8n) throw missing
    },
  }
  const orders = usecase(repo, nobody)
  await t.rejects(orders.create({ ...draft, userId: 8n }, anonymous, signal), missing)
  t.strictSame(asked, ['user 8'])
  t.strictSame(await refused(orders.create(draft, anonymous, signal)), [
    'not_found',
    'PRODUCT_NOT_FOUND',
    { product_id: '2' },
  ])
  t.strictSame(asked, ['user 8', 'user 7', 'products'])
})

test('an order of more than there is says how much there is', async (t) => {
  const orders = usecase({
    insertOrder: async () => ({ outcome: 'short', item: pens, left: 2n }),
  })
  t.strictSame(await refused(orders.create(draft, anonymous, signal)), [
    'failed_precondition',
    'INSUFFICIENT_STOCK',
    { product_id: '1', ordered: '3', left: '2' },
  ])
})

test('a known key gives its order without a question, or is refused for another one', async (t) => {
  const keys: string[] = []
  const orders = usecase(
    {
      async findByKey(key) {
        keys.push(key)
        return stored
      },
    },
    { validateUser: () => Promise.reject(new Error('not asked')) },
  )
  t.equal(await orders.create(draft, keyed, signal), stored)
  const others = [
    { ...draft, userId: 8n },
    { ...draft, items: [pens] },
    { ...draft, items: [pens, { ...lamp, quantity: 2 }] },
    { ...draft, items: [pens, { ...lamp, price: 2000n }] },
  ]
  for (const other of others)
    t.match(await refused(orders.create(other, keyed, signal)), [
      'already_exists',
      'IDEMPOTENCY_KEY_REUSED',
    ])
  t.strictSame(keys, ['k', 'k', 'k', 'k', 'k'])
})

test('a key that another call takes meanwhile gives the order of that call', async (t) => {
  const found = [undefined, stored]
  const orders = usecase({
    findByKey: async () => found.shift(),
    insertOrder: async () => ({ outcome: 'key_taken' }),
  })
  t.equal(await orders.create(draft, keyed, signal), stored)
})

test('a key is one of its caller, whose id need not be short', async (t) => {
  const kept = new Map<string | undefined, Order>()
  const orders = usecase({
    findByKey: async (key) => kept.get(key),
    async insertOrder({ key, ...order }) {
      const id = BigInt(kept.size)
      kept.set(key, { id, ...order })
      return { outcome: 'stored', id }
    },
  })
  const scopes = new Set<string>()
  const long = 'a'.repeat(4000)
  const callers = [
    undefined,
    { kind: 'token', id: 'ada', scopes },
    { kind: 'api_key', id: 'ada', scopes },
    { kind: 'token', id: 'bob', scopes },
    { kind: 'token', id: long, scopes },
  ]
  const ids = async () => {
    const found: bigint[] = []
    for (const caller of callers)
      found.push((await orders.create(draft, { caller, key: 'k' }, signal)).id)
    return found
  }
  t.strictSame(await ids(), [0n, 1n, 2n, 3n, 4n])
  t.strictSame(await ids(), [0n, 1n, 2n, 3n, 4n], 'each gets its own again')
  for (const key of kept.keys()) t.ok((key?.length ?? 0) <= 128, 'a column has 128 characters')
})

test('a total that a double cannot tell to the cent is refused', async (t) => {
  const orders = usecase({ insertOrder: async () => ({ outcome: 'stored', id: 1n }) })
  const dear = { productId: 1n, quantity: 10_000, price: 10n ** 11n }
  const { total } = await orders.create({ userId: 1n, items: [dear] }, anonymous, signal)
  t.equal(total, 10n ** 15n)
  t.match(await refused(orders.create({ userId: 1n, items: [dear, lamp] }, anonymous, signal)), [
    'invalid_argument',
    'INVALID_ORDER_INPUT',
  ])
})

test('a page has its size, or 20, and at most 100, and tells where the next one starts', async (t) => {
  const limits: number[] = []
  const orders = usecase({
    async list({ after, limit }) {
      limits.push(limit)
      return [1n, 2n, 3n].map((n) => ({ ...stored, id: after + n })).slice(0, limit)
    },
  })
  const page = await orders.list({ userId: undefined, after: 4n, limit: 2 }, signal)
  t.strictSame([page.orders.map(({ id }) => id), page.next], [[5n, 6n], 6n])
  t.equal((await orders.list({ userId: 1n, after: 0n, limit: 0 }, signal)).next, undefined)
  await orders.list({ userId: 1n, after: 0n, limit: 1000 }, signal)
  t.strictSame(limits, [3, 21, 101])
})

test('an order that does not exist is ORDER_NOT_FOUND to get and to cancel', async (t) => {
  const orders = usecase({ find: async () => undefined, cancel: async () => undefined })
  const missing = ['not_found', 'ORDER_NOT_FOUND', { order_id: '9' }]
  t.strictSame(await refused(orders.get(9n, signal)), missing)
  t.strictSame(await refused(orders.cancel(9n, signal)), missing)
})
