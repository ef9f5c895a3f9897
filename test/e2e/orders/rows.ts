import type { JsonObject } from '@bufbuild/protobuf'
import { encodePageToken } from '../../../src/service/page-token.ts'
import { encodeToken } from '../../../src/service/token.ts'
import type { Ask, Outcome } from './callers.ts'

/** What a row is run with: a caller of one protocol, and the id of a user without orders. */
export interface At {
  ask: Ask
  user: string
}

interface Row {
  title: string
  run: (at: At) => Promise<{ got: unknown; want: unknown }>
}

const amountRule = 'must be greater than or equal to 0 and less than or equal to 1000000000'
const neededRule = 'must be greater than 0 if there are no items'
const pens = { product_id: '1', quantity: 3, price: 0.1 }
const notebook = { product_id: '2', quantity: 1, price: 2.5 }

/** The status over REST, and the code over the others. */
type Failure = [status: number, code: string, reason: string]
const invalid: Failure = [400, 'invalid_argument', 'INVALID_ORDER_INPUT']

/** A create that fails, and leaves nothing. */
function refusedCreate(
  title: string,
  order: JsonObject,
  failure: Failure,
  metadata: Record<string, string>,
  headers?: Record<string, string>,
): Row {
  return {
    title,
    async run({ ask, user }) {
      const failed = await ask('createOrder', { user_id: user, ...order }, headers)
      const { orders } = (await ask('listOrders', { user_id: user })) as JsonObject
      return { got: [failed, orders], want: [failedAs(failed, failure, metadata), []] }
    },
  }
}

function failedAs(outcome: Outcome, [status, code, reason]: Failure, metadata: object): object {
  const isRest = 'failed' in outcome && typeof outcome['failed'] === 'number'
  return { failed: isRest ? status : code, reason, metadata }
}

/** The refusal of a token of other orders. */
function failedToken(outcome: Outcome): object {
  const rule = 'must be a next_page_token of this list with the same user_id'
  return failedAs(outcome, invalid, { page_token: rule })
}

/** A text of an answer; empty where it has none. */
function textOf(outcome: Outcome, name: string): string {
  const value = (outcome as JsonObject)[name]
  return typeof value === 'string' ? value : ''
}

const idOf = (outcome: Outcome) => textOf(outcome, 'orderId')

/** The ids of listed orders. */
function idsOf(outcome: Outcome): unknown[] {
  const { orders } = outcome as { orders: JsonObject[] }
  return orders.map(({ orderId }) => orderId)
}

/** A created order as CreateOrder and as GetOrder tell it. */
function replies(outcome: Outcome, user: string, total: number, items: JsonObject[]) {
  const createdAt = textOf(outcome, 'createdAt')
  const shared = { orderId: idOf(outcome), status: 'created', createdAt }
  const read = items.map(({ product_id: productId, ...item }) => ({ productId, ...item }))
  const all = { userId: user, productId: read[0]?.productId, amount: total, items: read }
  return { created: { ...shared, total }, order: { ...shared, ...all } }
}

export const rows: readonly Row[] = [
  {
    title: 'one piece of a product is ordered by its amount',
    async run({ ask, user }) {
      const got = await ask('createOrder', { user_id: user, product_id: '1', amount: 19.99 })
      const item = { product_id: '1', quantity: 1, price: 19.99 }
      const { created, order } = replies(got, user, 19.99, [item])
      return {
        got: [got, await ask('getOrder', { order_id: idOf(got) })],
        want: [created, order],
      }
    },
  },
  {
    title: 'items are added up to the cent, kept by product, and listed by order',
    async run({ ask, user }) {
      const first = await ask('createOrder', { user_id: user, items: [notebook, pens] })
      const second = await ask('createOrder', { user_id: user, items: [notebook] })
      const list = await ask('listOrders', { user_id: user, page_size: 1 })
      const token = textOf(list, 'nextPageToken')
      const rest = await ask('listOrders', { user_id: user, page_token: token })
      const { created, order } = replies(first, user, 2.8, [pens, notebook])
      const { order: other } = replies(second, user, 2.5, [notebook])
      return {
        got: [first, list, rest, token !== ''],
        want: [
          created,
          { orders: [order], nextPageToken: token },
          { orders: [other], nextPageToken: '' },
          true,
        ],
      }
    },
  },
  {
    title: 'an order is cancelled, and stays so',
    async run({ ask, user }) {
      const created = await ask('createOrder', { user_id: user, items: [pens] })
      const id = { order_id: idOf(created) }
      const { order } = replies(created, user, 0.3, [pens])
      const cancelled = { ...order, status: 'cancelled' }
      const got = [await ask('cancelOrder', id), await ask('cancelOrder', id)]
      return { got: [...got, await ask('getOrder', id)], want: [cancelled, cancelled, cancelled] }
    },
  },
  {
    title: 'a key stands for one order, also ten times at once, and for no other content',
    async run({ ask, user }) {
      const order = { user_id: user, items: [pens] }
      const key = { 'idempotency-key': `order-${user}` }
      const all = Array.from({ length: 10 }, () => ask('createOrder', order, key))
      const got = await Promise.all(all)
      const [first = {}] = got
      const other = await ask('createOrder', { ...order, items: [notebook] }, key)
      const list = (await ask('listOrders', { user_id: user })) as { orders: JsonObject[] }
      const { created } = replies(first, user, 0.3, [pens])
      const reused = failedAs(other, [409, 'already_exists', 'IDEMPOTENCY_KEY_REUSED'], {})
      return {
        got: [got, other, list.orders.length],
        want: [Array.from({ length: 10 }, () => created), reused, 1],
      }
    },
  },
  refusedCreate(
    'a user that there is not',
    { user_id: '999999', items: [pens] },
    [404, 'not_found', 'USER_NOT_FOUND'],
    { user_id: '999999' },
  ),
  refusedCreate(
    'a product that there is not',
    { product_id: '77', amount: 1 },
    [404, 'not_found', 'PRODUCT_NOT_FOUND'],
    { product_id: '77' },
  ),
  refusedCreate(
    'more than there is',
    { items: [notebook, { ...pens, product_id: '3' }] },
    [400, 'failed_precondition', 'INSUFFICIENT_STOCK'],
    { product_id: '3', ordered: '3', left: '1' },
  ),
  refusedCreate('nothing', {}, invalid, { product_id: neededRule, amount: neededRule }),
  refusedCreate('for nothing', { product_id: '1' }, invalid, { amount: neededRule }),
  refusedCreate('for less than nothing', { product_id: '1', amount: -1 }, invalid, {
    amount: amountRule,
  }),
  refusedCreate('for no number', { product_id: '1', amount: 'NaN' }, invalid, {
    amount: amountRule,
  }),
  refusedCreate('a part of a cent', { product_id: '1', amount: 0.001 }, invalid, {
    amount: 'must be in whole cents',
  }),
  refusedCreate('a part of a cent in an item', { items: [{ ...pens, price: 1.005 }] }, invalid, {
    'items[0].price': 'must be in whole cents',
  }),
  refusedCreate('a product twice', { items: [pens, pens] }, invalid, {
    items: 'must not have a product twice',
  }),
  refusedCreate('items and a product', { product_id: '1', items: [pens] }, invalid, {
    items: 'must not be given together with product_id or amount',
  }),
  refusedCreate('no pieces', { items: [{ ...pens, quantity: 0 }] }, invalid, {
    'items[0].quantity': 'must be greater than or equal to 1 and less than or equal to 10000',
  }),
  refusedCreate(
    'a key that no log should show',
    { items: [pens] },
    invalid,
    { 'idempotency-key': 'must be 1 to 128 visible characters of ASCII' },
    { 'idempotency-key': 'a b' },
  ),
  {
    title: 'an order that there is not',
    async run({ ask }) {
      const got = [
        await ask('getOrder', { order_id: '999999' }),
        await ask('cancelOrder', { order_id: '999999' }),
      ]
      const missing: Failure = [404, 'not_found', 'ORDER_NOT_FOUND']
      return { got, want: got.map((each) => failedAs(each, missing, { order_id: '999999' })) }
    },
  },
  {
    title: 'a token leads on in the list that gave it, by pages of any size',
    async run({ ask, user }) {
      const order = { user_id: user, items: [notebook] }
      const ids = [idOf(await ask('createOrder', order)), idOf(await ask('createOrder', order))]
      const first = await ask('listOrders', { user_id: user, page_size: 1 })
      const token = textOf(first, 'nextPageToken')
      const page = { page_token: token, page_size: 7 }
      const second = await ask('listOrders', { user_id: user, ...page })
      const others = [
        await ask('listOrders', page),
        await ask('listOrders', { user_id: 1e6, ...page }),
      ]
      return {
        got: [idsOf(first), idsOf(second), others],
        want: [ids.slice(0, 1), ids.slice(1), others.map(failedToken)],
      }
    },
  },
  {
    title: 'a token of all orders is none of those of a user',
    async run({ ask, user }) {
      const order = { user_id: user, items: [notebook] }
      for (let made = 0; made < 2; made += 1) await ask('createOrder', order)
      const all = await ask('listOrders', { page_size: 1 })
      const token = textOf(all, 'nextPageToken')
      const got = await ask('listOrders', { user_id: user, page_token: token })
      return { got: [token !== '', got], want: [true, failedToken(got)] }
    },
  },
  {
    title: 'a token of another list, of v1, or of another service',
    async run({ ask }) {
      const got: Outcome[] = []
      for (const token of [encodePageToken('users', 1n), encodeToken('v1:1'), 'x'])
        got.push(await ask('listOrders', { page_token: token }))
      return { got, want: got.map(failedToken) }
    },
  },
]
