import { create } from '@bufbuild/protobuf'
import type { ServiceImpl } from '@connectrpc/connect'
import type { FieldViolation } from '../biz/error.ts'
import {
  invalidOrderInput,
  type Order as DomainOrder,
  type OrderDraft,
  type OrderItem,
  type OrderUsecase,
} from '../biz/order.ts'
import {
  type CreateOrderRequest,
  type GetOrderReply,
  GetOrderReplySchema,
  type Item,
  type ListOrdersRequest,
  type Order,
} from '../gen/api/order/v1/order_pb.ts'
import { callerOf } from './caller.ts'
import { fromCents, toCents } from './money.ts'
import { decodePageToken, encodePageToken } from './page-token.ts'

/** Serves api.order.v1.Order: converts messages to calls of the use case, and results to messages. */
export function orderService(orders: OrderUsecase): ServiceImpl<typeof Order> {
  return {
    async createOrder(request, context) {
      const origin = { caller: callerOf(context), key: toKey(context.requestHeader) }
      const order = await orders.create(toDraft(request), origin, context.signal)
      const { id, status, createdAt, total } = order
      return { orderId: id, status, createdAt: seconds(createdAt), total: fromCents(total) }
    },
    async getOrder({ orderId }, { signal }) {
      return toReply(await orders.get(orderId, signal))
    },
    async listOrders(request, { signal }) {
      const { orders: page, next } = await orders.list(toWindow(request), signal)
      return {
        orders: page.map(toReply),
        nextPageToken: next === undefined ? '' : encodePageToken(listOf(request), next),
      }
    },
    async cancelOrder({ orderId }, { signal }) {
      return toReply(await orders.cancel(orderId, signal))
    },
  }
}

/** An order as a message. */
function toReply({ id, userId, status, total, createdAt, items }: DomainOrder): GetOrderReply {
  return create(GetOrderReplySchema, {
    orderId: id,
    userId,
    productId: items[0]?.productId ?? 0n,
    amount: fromCents(total),
    status,
    createdAt: seconds(createdAt),
    items: items.map(({ price, ...item }) => ({ ...item, price: fromCents(price) })),
  })
}

function seconds(time: Date): bigint {
  return BigInt(Math.floor(time.getTime() / 1000))
}

const keyForm = /^[\x21-\x7e]{1,128}$/

/** The idempotency key of a call; undefined if it has none. */
function toKey(header: Headers): string | undefined {
  const key = header.get('idempotency-key') ?? undefined
  if (key !== undefined && !keyForm.test(key))
    throw invalid('idempotency-key', 'must be 1 to 128 visible characters of ASCII')
  return key
}

function toDraft({ userId, productId, amount, items }: CreateOrderRequest): OrderDraft {
  if (items.length === 0) return { userId, items: [toOnlyItem(productId, amount)] }
  if (productId !== 0n || amount !== 0)
    throw invalid('items', 'must not be given together with product_id or amount')
  const violations: FieldViolation[] = []
  const read = items.map((item, index) => toItem(item, `items[${index}].price`, violations))
  if (violations.length > 0) throw invalidOrderInput(violations)
  return { userId, items: read }
}

/** One piece of a product, as clients order it that know no items. */
function toOnlyItem(productId: bigint, amount: number): OrderItem {
  const violations: FieldViolation[] = []
  if (productId === 0n)
    violations.push({ field: 'product_id', rule: 'must be greater than 0 if there are no items' })
  if (amount === 0)
    violations.push({ field: 'amount', rule: 'must be greater than 0 if there are no items' })
  const price = toPrice(amount, 'amount', violations)
  if (violations.length > 0) throw invalidOrderInput(violations)
  return { productId, quantity: 1, price }
}

function toItem({ productId, quantity, price }: Item, field: string, violations: FieldViolation[]) {
  return { productId, quantity, price: toPrice(price, field, violations) }
}

/** The price in cents; notes where it has none. */
function toPrice(price: number, field: string, violations: FieldViolation[]): bigint {
  const cents = toCents(price)
  if (cents === undefined) violations.push({ field, rule: 'must be in whole cents' })
  return cents ?? 0n
}

function toWindow(request: ListOrdersRequest) {
  const { userId, pageSize, pageToken } = request
  const after = pageToken === '' ? 0n : decodePageToken(listOf(request), pageToken)
  if (after === undefined)
    throw invalid('page_token', 'must be a next_page_token of this list with the same user_id')
  return { userId: userId === 0n ? undefined : userId, after, limit: pageSize }
}

/** What tokens call the list that a request is for: all orders, or those of one user. */
function listOf({ userId }: ListOrdersRequest): string {
  return `orders:${userId}`
}

function invalid(field: string, rule: string) {
  return invalidOrderInput([{ field, rule }])
}
