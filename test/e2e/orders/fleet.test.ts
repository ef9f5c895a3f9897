import { createConnection } from 'mysql2/promise'
import { type Test, test } from 'tap'
import { Order } from '../../../src/gen/api/order/v1/order_pb.ts'
import { startApp, type Storage } from '../../help/app.ts'
import { httpCollector } from '../../help/collector.ts'
import { startEtcd, withoutEtcd } from '../../help/etcd.ts'
import { startGateway } from '../../help/gateway.ts'
import type { ReceivedSpan } from '../../help/otlp.ts'
import type { ServiceProcess } from '../../help/process.ts'
import { withoutRedis } from '../../help/redis.ts'
import { served, trees } from '../../help/spans.ts'
import { until } from '../../help/until.ts'
import { callers, newUser, type Outcome } from './callers.ts'
import { type Fleet, orderTree, startFleet } from './fleet.ts'
import { runRows } from './run-rows.ts'

/** A caller of a process. */
function asks({ rest, rpc }: ServiceProcess) {
  const { REST, gRPC } = callers({ rest: { url: rest, port: 0 }, rpc: { url: rpc, port: 0 } })
  if (!REST || !gRPC) throw new Error('a caller is not there')
  return { rest: REST, grpc: gRPC }
}

/** What the database has of orders of one piece each: three equal numbers, if none is half-written. */
async function stored(t: Test, { databases }: Fleet): Promise<Record<string, number>> {
  const connection = await createConnection(databases.orders)
  t.teardown(() => connection.end())
  const [[row]] = (await connection.query(
    `SELECT (SELECT COUNT(*) FROM orders) AS orders, (SELECT COUNT(*) FROM order_items) AS items,
      (SELECT CAST(1000000 - stock AS SIGNED) FROM products WHERE id = 1) AS taken`,
  )) as unknown as [[Record<string, number>]]
  return { ...row }
}

const order = { user_id: '1', product_id: '1', amount: 12.5 }
const isCreated = (outcome: Outcome) => 'status' in outcome && outcome['status'] === 'created'

async function traceIsWhole(t: Test, fleet: Fleet, all: readonly ReceivedSpan[]): Promise<void> {
  t.ok(isCreated(await asks(fleet.gateway).rest('createOrder', order)))
  let spans: ReceivedSpan[] = []
  await until('the trace of the order', () => {
    const root = all.find(({ name, parent }) => name === 'POST /v1/orders' && parent === '')
    spans = all.filter(({ traceId }) => traceId === root?.traceId)
    // The server span is the last of each process.
    return served(3)(spans)
  })
  t.strictSame(trees(spans), [orderTree])
  const servers = spans.filter(({ kind }) => kind === 'SERVER')
  t.strictSame(
    new Set(servers.map(({ resource }) => resource['service.name'])),
    new Set(['api-gateway', 'order-service', 'user-service']),
  )
}

async function keyIsOneOrder(t: Test, fleet: Fleet): Promise<void> {
  const before = await stored(t, fleet)
  const all = [...fleet.orders, fleet.gateway].map(asks).flatMap(({ rest, grpc }) => [rest, grpc])
  const key = { 'idempotency-key': 'ten-at-once' }
  const asked = [...all, ...all].slice(0, 10).map((ask) => ask('createOrder', order, key))
  const [outcome = {}, ...others] = await Promise.all(asked)
  t.ok(isCreated(outcome))
  t.strictSame(
    others,
    others.map(() => outcome),
  )
  t.strictSame(await stored(t, fleet), ordersMore(before, 1))
}

async function killedUsersFailNoOrder(
  t: Test,
  fleet: Fleet,
  all: readonly ReceivedSpan[],
): Promise<void> {
  const before = await stored(t, fleet)
  const { rest, grpc } = asks(fleet.gateway)
  const outcomes: Outcome[] = []
  async function caller(index: number): Promise<void> {
    for (let n = 0; n < 30; n += 1) {
      outcomes.push(await (index % 2 === 0 ? rest : grpc)('createOrder', order))
      if (outcomes.length === 100) fleet.users[0]?.kill('SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: 10 }, (_, index) => caller(index)))
  t.strictSame(
    outcomes.filter((outcome) => !isCreated(outcome)),
    [],
  )
  t.strictSame(await stored(t, fleet), ordersMore(before, 300))
  const asked = all.filter(({ kind, name }) => kind === 'SERVER' && name.endsWith('/GetUser'))
  const instances = new Set(asked.map(({ resource }) => resource['service.instance.id']))
  t.strictSame(instances, new Set(['user-service-1', 'user-service-2']))
}

async function noUsersIsUnavailable(t: Test, fleet: Fleet): Promise<void> {
  const before = await stored(t, fleet)
  for (const each of fleet.users) each.kill('SIGKILL')
  await Promise.all(fleet.users.map(({ exit }) => exit))
  const { rest, grpc } = asks(fleet.gateway)
  const rejected = { reason: 'USERS_UNAVAILABLE', metadata: {} }
  // Past it the answer would be DEADLINE_EXCEEDED.
  const timed = { 'x-server-timeout': '10', 'idempotency-key': 'without-users' }
  t.strictSame(await rest('createOrder', order, timed), { failed: 503, ...rejected })
  t.strictSame(await grpc('createOrder', order), { failed: 'unavailable', ...rejected })
  t.strictSame(await stored(t, fleet), before)
}

function ordersMore(before: Record<string, number>, more: number): Record<string, number> {
  return Object.fromEntries(Object.entries(before).map(([name, count]) => [name, count + more]))
}

/** The table of calls on orders whose users etcd finds, and on a gateway that finds the orders there. */
async function sameOutcomes(t: Test, storage: Storage): Promise<void> {
  const { url } = await startEtcd(t)
  const registry = { REGISTRY: 'etcd', ETCD_ENDPOINTS: new URL(url).host }
  const named = (name: string) => ({
    ...registry,
    REGISTRY_ADVERTISE: '127.0.0.1',
    REGISTRY_NAME: name,
    REGISTRY_ID: name,
  })
  const withUsers = { ...named('user.service'), ORDER_ENABLED: 'false' }
  const users = await startApp(t, { storage, env: withUsers })
  const found = { USER_ENABLED: 'false', USER_TARGET: 'discovery:///user.service' }
  const orders = await startApp(t, { storage, env: { ...named('order.service'), ...found } })
  await runRows(t, orders, users)
  const target = 'discovery:///order.service'
  const env = named('api.gateway')
  // A call that is slow on a busy machine is no other outcome.
  const passing = { service: Order.typeName, timeoutMs: 30_000 }
  const gateway = await startGateway(t, { target, env, ...passing })
  await runRows(t, gateway, users)
  const { gRPC: ask } = callers(users)
  t.match(await ask?.('listOrders', {}), { failed: 'unimplemented' }, 'a process without orders')
}

for (const storage of ['sqlite', 'mysql'] satisfies Storage[])
  test(
    `calls have the outcomes that they have in one process (${storage})`,
    { skip: withoutEtcd },
    (t) => sameOutcomes(t, storage),
  )

test(
  'orders through a gateway, with users in processes that etcd finds',
  { skip: withoutEtcd || withoutRedis },
  async (t) => {
    const collector = await httpCollector(t)
    const fleet = await startFleet(t, {
      TRACING_EXPORTER: 'otlp_http',
      TRACING_ENDPOINT: collector.url,
      TRACING_BATCH_DELAY: '0.02s',
    })
    t.equal(await newUser(fleet.gateway.rest), '1')
    await t.test('one order is one trace, from the socket of the gateway to each statement', (s) =>
      traceIsWhole(s, fleet, collector.spans),
    )
    await t.test('one key ten times at once is one order, whichever process takes it', (s) =>
      keyIsOneOrder(s, fleet),
    )
    await t.test('no order fails when one of two processes with users is killed', (s) =>
      killedUsersFailNoOrder(s, fleet, collector.spans),
    )
    await t.test('without any an order is a 503 with its reason, and leaves nothing', (s) =>
      noUsersIsUnavailable(s, fleet),
    )
  },
)
