import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freshMysqlDatabase } from '../../help/db.ts'
import { startEtcd } from '../../help/etcd.ts'
import { type ServiceProcess, startProcess } from '../../help/process.ts'
import { startRedis } from '../../help/redis.ts'
import { until } from '../../help/until.ts'

export type Fleet = Awaited<ReturnType<typeof startFleet>>

/** The services that the gateway serves, by the names under which etcd has their instances. */
const gatewayFile = JSON.stringify({
  gateway: {
    services: {
      'api.user.v1.User': { target: 'discovery:///user.service', timeout: '20s' },
      'api.order.v1.Order': { target: 'discovery:///order.service', timeout: '20s' },
    },
  },
})

/**
 * Two processes with users, two with orders and a gateway, each found by etcd; a MariaDB database for
 * users and one for orders, and a Redis for both. `env` is for all of them.
 */
export async function startFleet(t: Test, env: Record<string, string>) {
  const [etcd, redis] = await Promise.all([startEtcd(t), startRedis(t)])
  const databases = {
    users: await freshMysqlDatabase(t),
    orders: await freshMysqlDatabase(t),
  }
  const shared = {
    REGISTRY: 'etcd',
    ETCD_ENDPOINTS: new URL(etcd.url).host,
    REGISTRY_ADVERTISE: '127.0.0.1',
    TIMEOUT: '20s',
    DB_POOL_WAIT: '10s',
    ...env,
  }
  const withCache = { CACHE_REDIS: `127.0.0.1:${redis.port}`, CACHE_TIMEOUT: '10s' }

  function start(name: string, instance: number, own: Record<string, string>, args: string[] = []) {
    const id = `${name}-${instance}`
    const names = { OTEL_SERVICE_NAME: name, OTEL_RESOURCE_ATTRIBUTES: `service.instance.id=${id}` }
    const registry = { REGISTRY_NAME: name.replace('-', '.'), REGISTRY_ID: id }
    return startProcess(t, { ...shared, ...names, ...registry, ...own }, { args })
  }
  const users = (instance: number) =>
    start('user-service', instance, {
      ...withCache,
      ORDER_ENABLED: 'false',
      DB_DSN: databases.users,
    })
  const orders = (instance: number) =>
    start('order-service', instance, {
      ...withCache,
      USER_ENABLED: 'false',
      USER_TARGET: 'discovery:///user.service',
      USER_TIMEOUT: '5s',
      DB_DSN: databases.orders,
    })
  const file = join(t.testdir({}), 'gateway.yaml')
  writeFileSync(file, gatewayFile)
  const none = { USER_ENABLED: 'false', ORDER_ENABLED: 'false', GATEWAY_START_TIMEOUT: '120s' }
  const gateway = start('api-gateway', 1, none, ['--conf', file])
  const [first, second, ...withOrders] = await Promise.all([
    users(1),
    users(2),
    orders(1),
    orders(2),
  ])
  await until('each instance in etcd', async () => {
    const found = Object.keys(await etcd.values('/microservices/'))
    return found.filter((key) => /(user|order)\.service/.test(key)).length === 4
  })
  return {
    users: [first, second] satisfies ServiceProcess[],
    orders: withOrders,
    gateway: await gateway,
    databases,
  }
}

/** The trace of an order, whose user is not in Redis yet. */
export const orderTree = `SERVER POST /v1/orders
  CLIENT api.order.v1.Order/CreateOrder
    SERVER api.order.v1.Order/CreateOrder
      OrderService.CreateOrder
        OrderUseCase.Create
          Customers.ValidateUser
            CLIENT api.user.v1.User/GetUser
              SERVER api.user.v1.User/GetUser
                UserService.GetUser
                  UserUseCase.Get
                    UserRepo.Find
                      CLIENT Redis.GetUser
                      CLIENT SELECT users
                      CLIENT Redis.SetUser
          Products.ValidateProduct
            OrderRepo.KnownProducts
              CLIENT SELECT products
          OrderRepo.InsertOrder
            CLIENT BEGIN
            CLIENT INSERT orders
            CLIENT INSERT order_items
            CLIENT UPDATE products
            CLIENT COMMIT
            OrderCache.UpdateCache
              CLIENT Redis.DeleteOrder`
