import { invalidOrderInput, orderUsecase, productRules } from '../biz/order.ts'
import { userCustomers, userService } from '../data/customers.ts'
import { cachedOrders } from '../data/redis/order.ts'
import { orderRepo } from '../data/order.ts'
import { ErrorReason } from '../gen/api/order/v1/error_reason_pb.ts'
import { Order } from '../gen/api/order/v1/order_pb.ts'
import { orderService } from '../service/order.ts'
import { throughCache } from './cache.ts'
import type { Module, Parts } from './module.ts'
import { orderServices } from './order-services.ts'
import { orderSpans } from './order-spans.ts'

/** The module of orders: serves api.order.v1.Order from the storage of the process, and asks for users. */
export async function orderModule(parts: Parts): Promise<Module> {
  const { conf, storage, cache, now, traced, clients } = parts
  const users = await clients.configured(userService, ({ clients: all }) => all.user)
  const { forwardCredentials } = conf.clients.user
  const customers = traced('Customers', userCustomers(users, forwardCredentials))
  const cached = cache?.of(cachedOrders)
  const stored = orderRepo(storage.db, { reads: storage.reads, changed: cached?.changed })
  const repo = traced('OrderRepo', throughCache(stored, cached))
  const products = traced('Products', productRules(repo))
  const usecase = traced(
    'OrderUseCase',
    orderUsecase({ repo, customers, products, now }),
    orderSpans,
  )
  const service = traced('OrderService', orderService(usecase))
  return {
    services: orderServices,
    reasons: ErrorReason,
    invalid: invalidOrderInput,
    routes: (router) => void router.service(Order, service),
  }
}
