import { Order } from '../gen/api/order/v1/order_pb.ts'

/** The RPC services of orders. Apart from the module, so that settings are checked before it is loaded. */
export const orderServices = [Order] as const
