import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { type Test, test } from 'tap'
import { type StartOptions, startApp, type Storage } from '../../help/app.ts'
import { certificates } from '../../help/certificates.ts'
import { httpCollector } from '../../help/collector.ts'
import { freshSqlitePath } from '../../help/db.ts'
import { startProcess } from '../../help/process.ts'
import { served, spanMemory, trees } from '../../help/spans.ts'
import { until } from '../../help/until.ts'
import { callers, newUser } from './callers.ts'
import { runRows } from './run-rows.ts'

/** A process with orders whose users are elsewhere. */
function ordersOnly(t: Test, target: string, options: Partial<StartOptions> = {}) {
  const env = { USER_ENABLED: 'false', USER_TARGET: target, ...options.env }
  return startApp(t, { storage: 'sqlite', ...options, env })
}

for (const storage of ['sqlite', 'mysql'] satisfies Storage[]) {
  test(`orders by every protocol, with users in the process (${storage})`, async (t) => {
    const app = await startApp(t, { storage })
    await runRows(t, app, app)
  })
}

test("users are reached by Kratos' JSON, too", async (t) => {
  const users = await startApp(t, { storage: 'sqlite', env: { ORDER_ENABLED: 'false' } })
  const target = `http://127.0.0.1:${users.rest.port}`
  const orders = await ordersOnly(t, target, { env: { USER_PROTOCOL: 'kratos2' } })
  const { REST: ask } = callers(orders)
  const order = { product_id: '1', amount: 1 }
  t.match(await ask?.('createOrder', { ...order, user_id: await newUser(users.rest.url) }), {
    status: 'created',
  })
  t.match(await ask?.('createOrder', { ...order, user_id: '99' }), { reason: 'USER_NOT_FOUND' })
})

test('users are reached over TLS that asks for a certificate, which may be renewed', async (t) => {
  const authority = certificates(t)
  const server = authority.issue('server', 'DNS:localhost')
  const own = authority.issue('orders')
  const stranger = certificates(t).issue('stranger')
  const users = await startApp(t, {
    storage: 'sqlite',
    env: {
      ORDER_ENABLED: 'false',
      TLS_CERT_FILE: server.certFile,
      TLS_KEY_FILE: server.keyFile,
      TLS_CLIENT_CA_FILE: authority.caFile,
    },
  })
  const folder = t.testdir({ 'own.pem': stranger.cert, 'own.key': stranger.key })
  const files = { USER_TLS_CERT_FILE: `${folder}/own.pem`, USER_TLS_KEY_FILE: `${folder}/own.key` }
  const env = { ...files, USER_TLS_CA_FILE: authority.caFile }
  const named = { ...env, USER_TLS_SERVER_NAME: 'localhost' }
  const all = await Promise.all([
    ordersOnly(t, `dns:///localhost:${users.rpc.port}`, { env }),
    ordersOnly(t, `direct:///127.0.0.1:${users.rpc.port}`, { env: named }),
    ordersOnly(t, `https://127.0.0.1:${users.rest.port}`, {
      env: { ...named, USER_PROTOCOL: 'kratos2' },
    }),
  ])
  const order = { user_id: '1', product_id: '1', amount: 1 }
  const outcomes = () =>
    Promise.all(all.map(async (orders) => await callers(orders).REST?.('createOrder', order)))
  const refused = { failed: 503, reason: 'USERS_UNAVAILABLE', metadata: {} }
  t.strictSame(await outcomes(), [refused, refused, refused])
  writeFileSync(`${folder}/own.pem`, own.cert)
  writeFileSync(`${folder}/own.key`, own.key)
  t.match(
    await outcomes(),
    all.map(() => ({ reason: 'USER_NOT_FOUND' })),
  )
})

test('an order without an answer about its user is a 503, and leaves nothing', async (t) => {
  const deaf = createServer().listen(0, '127.0.0.1')
  await once(deaf, 'listening')
  t.teardown(() => deaf.close())
  const address = deaf.address()
  const port = typeof address === 'object' ? address?.port : 0
  const gone = await startApp(t, { storage: 'sqlite' })
  await gone.close()
  const targets = [`direct:///127.0.0.1:${port}`, `direct:///127.0.0.1:${gone.rpc.port}`]
  for (const target of targets) {
    const orders = await ordersOnly(t, target, { env: { USER_TIMEOUT: '0.2s' } })
    const { REST: ask } = callers(orders)
    const order = { user_id: '1', product_id: '3', amount: 1 }
    t.strictSame(await ask?.('createOrder', order, { 'idempotency-key': 'k' }), {
      failed: 503,
      reason: 'USERS_UNAVAILABLE',
      metadata: {},
    })
    t.strictSame(await ask?.('listOrders', {}), { orders: [], nextPageToken: '' })
  }
})

const orderTree = `SERVER POST /v1/orders
  OrderService.CreateOrder
    OrderUseCase.Create
      Customers.ValidateUser
        CLIENT api.user.v1.User/GetUser
          SERVER api.user.v1.User/GetUser
            UserService.GetUser
              UserUseCase.Get
                UserRepo.Find
                  CLIENT SELECT users
      Products.ValidateProduct
        OrderRepo.KnownProducts
          CLIENT SELECT products
      OrderRepo.InsertOrder
        CLIENT BEGIN
        CLIENT INSERT orders
        CLIENT INSERT order_items
        CLIENT UPDATE products
        CLIENT COMMIT`

test('the trace of an order goes from the socket over its user to each statement', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, { storage: 'sqlite', spans: memory.exporter })
  await memory.of(() => newUser(app.rest.url), served(1))
  const { REST: ask } = callers(app)
  const order = { user_id: '1', product_id: '1', amount: 12.5 }
  const spans = await memory.of(() => ask?.('createOrder', order), served(2))
  t.strictSame(trees(spans), [orderTree])
  const create = spans.find(({ name }) => name === 'OrderUseCase.Create')
  t.match(create?.attributes, {
    'order.user_id': '1',
    'order.items_count': 1,
    'order.id': '1',
    'order.total': 12.5,
  })
  const missing = { ...order, user_id: '99' }
  const failed = await memory.of(() => ask?.('createOrder', missing), served(2))
  const kinds = ['CLIENT', 'SERVER'].map((kind) =>
    failed.find((span) => span.kind === kind && span.name === 'api.user.v1.User/GetUser'),
  )
  for (const span of kinds)
    t.match(span, {
      failed: undefined,
      attributes: { 'rpc.status_code': 404, 'error.reason': 'USER_NOT_FOUND' },
    })
})

test('the trace has the same shape with users in another process', async (t) => {
  const collector = await httpCollector(t)
  const users = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    ORDER_ENABLED: 'false',
    TRACING_EXPORTER: 'otlp_http',
    TRACING_ENDPOINT: collector.url,
    TRACING_BATCH_DELAY: '0.02s',
  })
  await newUser(users.rest)
  await until('the spans of the user', () => collector.spans.some(({ kind }) => kind === 'SERVER'))
  collector.spans.length = 0
  const memory = spanMemory()
  const target = `direct:///${users.grpc}`
  const app = await ordersOnly(t, target, { spans: memory.exporter })
  const { REST: ask } = callers(app)
  const order = { user_id: '1', product_id: '1', amount: 12.5 }
  const spans = await memory.of(() => ask?.('createOrder', order), served(1))
  await until('the spans of users', () => served(1)(collector.spans))
  t.strictSame(trees([...spans, ...collector.spans]), [orderTree])
})
