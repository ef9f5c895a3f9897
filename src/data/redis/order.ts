import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { Order } from '../../biz/order.ts'
import { CachedOrderSchema } from '../../gen/cache/v1/order_pb.ts'
import type { CachedKind } from './values.ts'

/** Orders in Redis. */
export const cachedOrders: CachedKind<Order> = {
  name: 'Order',
  prefix: 'order:v1:',
  encode({ createdAt, items, ...fields }) {
    const createdAtMs = BigInt(createdAt.getTime())
    const message = create(CachedOrderSchema, { ...fields, items: [...items], createdAtMs })
    return toBinary(CachedOrderSchema, message)
  },
  decode(bytes) {
    const { id, userId, status, total, createdAtMs, items } = fromBinary(CachedOrderSchema, bytes)
    if (id <= 0n || (status !== 'created' && status !== 'cancelled')) throw new Error('no order')
    return {
      id,
      userId,
      status,
      total,
      createdAt: new Date(Number(createdAtMs)),
      items: items.map(({ productId, quantity, price }) => ({ productId, quantity, price })),
    }
  },
}
