import type { Order, OrderItem, OrderUsecase } from '../biz/order.ts'
import { fromCents } from '../service/money.ts'
import type { Describe, SpanFacts } from '../telemetry/trace/tracing.ts'

const order = {
  id: 'order.id',
  userId: 'order.user_id',
  itemsCount: 'order.items_count',
  total: 'order.total',
  status: 'order.status',
} as const

const list = {
  after: 'pagination.after',
  size: 'pagination.size',
  count: 'result.count',
} as const

const byId = (id: bigint): SpanFacts => ({ [order.id]: String(id) })

const orderedFacts = (userId: bigint, items: readonly OrderItem[]): SpanFacts => ({
  [order.userId]: String(userId),
  [order.itemsCount]: items.length,
})

function storedFacts({ id, status, total }: Order): SpanFacts {
  return { ...byId(id), [order.status]: status, [order.total]: fromCents(total) }
}

/** The attributes of the spans of the use case of orders. */
export const orderSpans: Describe<OrderUsecase> = {
  create: { call: ({ userId, items }) => orderedFacts(userId, items), result: storedFacts },
  get: {
    call: byId,
    result: (found) => ({ ...orderedFacts(found.userId, found.items), ...storedFacts(found) }),
  },
  list: {
    call: ({ userId, after, limit }) => ({
      ...(userId !== undefined && { [order.userId]: String(userId) }),
      [list.after]: String(after),
      [list.size]: limit,
    }),
    result: ({ orders }) => ({ [list.count]: orders.length }),
  },
  cancel: { call: byId, result: storedFacts },
}
