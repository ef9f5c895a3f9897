import { request as httpRequest } from 'node:http'
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema, RetryInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { type RunningApp, startApp } from '../help/app.ts'
import { openRequests, samplesOf, sum } from '../help/exposition.ts'
import { startRedis, withoutRedis } from '../help/redis.ts'
import { until } from '../help/until.ts'

const hour = '3600s'
/** One call an hour, and so many at once. */
const quotaOf = (burst: number) => ({
  QUOTA_ENABLED: 'true',
  QUOTA_RATE: String(burst / 3600),
  QUOTA_BURST: hour,
  QUOTA_CALLER_HEADER: 'x-caller',
})

/** A service whose callers may make so many calls, in an hour, of each operation. */
const limited = (t: Test, burst: number, env: Record<string, string> = {}) =>
  startApp(t, { storage: 'sqlite', measured: true, env: { ...quotaOf(burst), ...env } })

function transports({ rpc: { url: baseUrl } }: RunningApp): Record<string, Transport> {
  return {
    Connect: createConnectTransport({ baseUrl, httpVersion: '1.1' }),
    gRPC: createGrpcTransport({ baseUrl }),
    'gRPC-Web': createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
  }
}

const list = ({ rest }: RunningApp, headers: Record<string, string> = {}) =>
  fetch(`${rest.url}/v1/users`, { headers })

/** The headers of a quota. */
function told(headers: Headers) {
  return {
    policy: headers.get('ratelimit-policy'),
    left: /^"default";r=(\d+);t=\d+$/.exec(headers.get('ratelimit') ?? '')?.[1],
    retry: headers.get('retry-after'),
  }
}

const policy = '"default";q=2;w=3600'

test('answers over all protocols tell the quota, and a call above it is refused', async (t) => {
  const app = await limited(t, 2)
  const as = (id: string) => ({ 'x-caller': id })
  t.same(told((await list(app, as('rest'))).headers), { policy, left: '1', retry: null })
  t.same(told((await list(app, as('rest'))).headers), { policy, left: '0', retry: null })
  const refused = await list(app, as('rest'))
  t.match(told(refused.headers), { policy, left: '0', retry: /^1(?:800|7\d\d)$/ })
  t.equal(refused.status, 429)
  const body = await refused.json()
  t.match(body, { code: 429, reason: 'RATELIMIT', message: /\/api\.user\.v1\.User\/ListUsers/ })

  for (const [name, transport] of Object.entries(transports(app))) {
    const users = createClient(User, transport)
    let headers = new Headers()
    const options = { headers: as(name), onHeader: (got: Headers) => void (headers = got) }
    await users.listUsers({}, options)
    t.same(told(headers), { policy, left: '1', retry: null }, name)
    await users.listUsers({}, options)
    const error = ConnectError.from(await t.rejects(users.listUsers({}, options)))
    t.equal(error.code, Code.ResourceExhausted, name)
    t.match(told(error.metadata), { policy, left: '0', retry: /^1(?:800|799)$/ }, name)
    t.match(error.findDetails(ErrorInfoSchema), [{ reason: 'RATELIMIT' }], name)
    t.match(error.findDetails(RetryInfoSchema), [{ retryDelay: { seconds: BigInt } }], name)
  }
})

test('a stream is one call, and an answer that is an error tells the quota, too', async (t) => {
  const app = await limited(t, 2)
  const missing = await fetch(`${app.rest.url}/v1/users/7`)
  t.equal(missing.status, 404)
  t.same(told(missing.headers), { policy, left: '1', retry: null })
  await createClient(User, createGrpcTransport({ baseUrl: app.rpc.url })).createUser({
    name: 'Ada',
    email: 'ada@example.org',
  })
  const exported = () => fetch(`${app.rest.url}/v1/users:export`)
  const answers = [await exported(), await exported(), await exported()]
  t.same(
    answers.map(({ status }) => status),
    [200, 200, 429],
  )
  t.same(
    answers.map(({ headers }) => told(headers).left),
    ['1', '0', '0'],
  )
  await Promise.all(answers.map((answer) => answer.text()))

  const users = createClient(User, createGrpcTransport({ baseUrl: app.rpc.url }))
  async function* deletions() {
    for (const id of [1n, 2n, 3n, 4n, 5n])
      yield { requestId: `${id}`, change: { case: 'delete' as const, value: id } }
  }
  async function sync(): Promise<number> {
    let replies = 0
    for await (const _reply of users.syncUsers(deletions())) replies += 1
    return replies
  }
  t.same([await sync(), await sync()], [5, 5])
  const error = ConnectError.from(await t.rejects(sync()))
  t.match(error.findDetails(ErrorInfoSchema), [{ reason: 'RATELIMIT' }])
  t.equal(told(error.metadata).policy, policy)
})

test('callers are told apart, health is not counted, and the sums are those sent', async (t) => {
  const app = await limited(t, 3)
  const statuses = async (headers: Record<string, string>) =>
    (await Promise.all(Array.from({ length: 5 }, () => list(app, headers)))).map((r) => r.status)
  const expected = [200, 200, 200, 429, 429]
  t.same(await statuses({}), expected)
  t.same(await statuses({ 'x-caller': 'a' }), expected)
  t.same(await statuses({ 'x-caller': 'b'.repeat(500) }), expected)
  t.same(await statuses({ 'x-api-key': 'made-up' }), [429, 429, 429, 429, 429])
  const health = await Promise.all(
    Array.from({ length: 5 }, () => fetch(`${app.rest.url}/healthz`)),
  )
  t.same(new Set(health.map(({ status }) => status)), new Set([200]))
  const counts = await samplesOf(app.metrics, 'quota_calls_total')
  t.same(
    Object.fromEntries(
      counts.map(({ labels, value }) => [`${labels.caller} ${labels.result}`, value]),
    ),
    { 'anonymous allowed': 3, 'anonymous refused': 7, 'header allowed': 6, 'header refused': 4 },
  )
  const refused = await samplesOf(app.metrics, 'server_requests_refused_total')
  t.equal(sum(refused.filter(({ labels }) => labels.limit === 'quota')), 11)
})

test(
  'two services on one Redis count together, and each for its share while Redis is frozen',
  { skip: withoutRedis },
  async (t) => {
    const redis = await startRedis(t)
    const env = { QUOTA_REDIS: `127.0.0.1:${redis.port}`, QUOTA_INSTANCES: '2' }
    const apps = [await limited(t, 8, env), await limited(t, 8, env)]
    const up = async (app: RunningApp) => sum(await samplesOf(app.metrics, 'quota_redis_up')) === 1
    for (const app of apps) await until('Redis', () => up(app))
    async function through(calls: number, headers = {}): Promise<number[]> {
      const each = apps.map(async (app) => {
        const answers = await Promise.all(Array.from({ length: calls }, () => list(app, headers)))
        return answers.filter(({ status }) => status === 200).length
      })
      return Promise.all(each)
    }
    const together = await through(10)
    t.equal((together[0] ?? 0) + (together[1] ?? 0), 8)
    redis.freeze()
    t.same(await through(10), [4, 4])
    const [first] = apps
    t.match(
      first?.log().filter((line) => line.redis !== undefined),
      [
        {
          level: 'warn',
          msg: /^quotas are counted for this instance alone, trying again: no answer/,
        },
      ],
    )
    redis.thaw()
    for (const app of apps) await until('Redis', () => up(app))
    t.same(await through(10), [0, 0], 'Redis has forgotten nothing')
  },
)

/** Keeps the process, which is that of the service too, from doing anything else. */
function compute(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** A call whose body never comes. */
function heldCall(t: Test, { rest }: RunningApp): void {
  const request = httpRequest(`${rest.url}/v1/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': 100 },
  })
  request.on('error', () => undefined)
  request.write('{')
  t.teardown(() => request.destroy())
}

test('a busy service refuses calls over all protocols, critical ones and health last', async (t) => {
  const app = await startApp(t, {
    storage: 'sqlite',
    measured: true,
    env: { SHED_ENABLED: 'true', SHED_CPU: '0.1', SHED_CPU_CRITICAL: '1' },
  })
  const held = 5
  for (let each = 0; each < held; each += 1) heldCall(t, app)
  await until('the calls', async () => (await openRequests(app)) === held)
  let critical = 0
  /** Keeps the service busy, and has it serve a critical call, so that it knows what it can serve. */
  async function busy(ms: number): Promise<void> {
    compute(ms)
    critical += 1
    t.equal((await list(app, { 'x-md-global-priority': 'critical' })).status, 200)
  }
  await busy(1500)
  await until('the load', async () => sum(await samplesOf(app.metrics, 'shed_load')) > 0.2)
  await busy(200)
  const refused = await list(app)
  t.equal(refused.status, 429)
  t.equal(refused.headers.get('retry-after'), '1')
  t.match(await refused.json(), { code: 429, reason: 'RATELIMIT', message: /too busy/ })
  for (const [name, transport] of Object.entries(transports(app))) {
    await busy(200)
    const error = ConnectError.from(await t.rejects(createClient(User, transport).listUsers({})))
    t.equal(error.code, Code.ResourceExhausted, name)
    t.equal(error.metadata.get('retry-after'), '1', name)
    t.match(error.findDetails(ErrorInfoSchema), [{ reason: 'RATELIMIT' }], name)
    t.match(error.findDetails(RetryInfoSchema), [{ retryDelay: { seconds: 1n } }], name)
  }
  t.equal((await fetch(`${app.rest.url}/healthz`)).status, 200)

  const counts = await samplesOf(app.metrics, 'shed_calls_total')
  const byPriority = counts.map(({ labels, value }) => [
    `${labels.priority} ${labels.result}`,
    value,
  ])
  t.same(Object.fromEntries(byPriority), {
    'critical allowed': critical,
    'critical refused': 0,
    'default allowed': held,
    'default refused': 4,
  })
  const byLimit = await samplesOf(app.metrics, 'server_requests_refused_total')
  t.equal(sum(byLimit.filter(({ labels }) => labels.limit === 'shed')), 4)
})
