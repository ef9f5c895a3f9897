import { Code, ConnectError } from '@connectrpc/connect'
import { test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { clientOf } from '../../src/client/client.ts'
import { fallback } from '../../src/client/fallback.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { httpCollector } from '../help/collector.ts'
import { freshSqlitePath } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { type SeenSpan, spanMemory } from '../help/spans.ts'
import { until } from '../help/until.ts'
import { readSamples, sum } from '../help/exposition.ts'
import { caught } from './callers.ts'
import { hop } from './hop.ts'

/** Slow is no failure here. */
const patient = { timeoutMs: 60_000 }

const operation = 'api.user.v1.User/GetUser'

/** A service whose getUser calls another one. */
const forwarding = (target: string, settings = {}) => ({
  users: (clients: Parameters<Parameters<typeof hop>[1]['users']>[0]) => {
    const others = clients.of(User, target, { ...patient, ...settings })
    return { getUser: ({ id }: { id: bigint }) => others.getUser({ id }) }
  },
})

const ofCall = (spans: readonly SeenSpan[], kind: SeenSpan['kind']) =>
  spans.filter((span) => span.kind === kind && span.name === operation)

test('a call over two processes is one trace, with a span for each try', async (t) => {
  const collector = await httpCollector(t)
  const back = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    TRACING_EXPORTER: 'otlp_http',
    TRACING_ENDPOINT: collector.url,
    TRACING_BATCH_DELAY: '0.05s',
  })
  const port = await freePort()
  const memory = spanMemory()
  // The dead one is the first choice of half of the calls.
  const target = `direct:///127.0.0.1:${port},${back.grpc}`
  const front = await hop(t, { ...forwarding(target), spans: memory.exporter })
  await using users = clientOf(User, `http://${front.grpc}`, patient)
  const headers = { baggage: 'tenant=7', tracestate: 'vendor=1', 'x-md-global-region': 'eu' }
  const tries = () => ofCall(memory.spans(), 'CLIENT')
  await until('a call that needs two tries', async () => {
    t.match(await users.getUser({ id: 404n }, { headers }).catch(caught), {
      code: Code.NotFound,
    })
    return tries().some(({ attributes }) => attributes['rpc.attempt'] === 2)
  })
  const second = tries().find(({ attributes }) => attributes['rpc.attempt'] === 2)
  const first = tries().find(
    ({ attributes, parent }) => attributes['rpc.attempt'] === 1 && parent === second?.parent,
  )
  await until('the server span behind it', () =>
    ofCall(collector.spans, 'SERVER').some(({ parent }) => parent === second?.id),
  )
  const outer = ofCall(memory.spans(), 'SERVER').find(({ id }) => id === second?.parent)
  const inner = ofCall(collector.spans, 'SERVER').find(({ parent }) => parent === second?.id)
  t.equal(first?.parent, outer?.id, 'both tries are children of the call that makes them')
  t.equal(inner?.traceId, outer?.traceId)
  t.match(first, {
    failed: 'UNAVAILABLE',
    attributes: { 'server.address': '127.0.0.1', 'server.port': port },
  })
  t.match(second?.attributes, {
    'rpc.system.name': 'grpc',
    'rpc.method': operation,
    'server.address': '127.0.0.1',
    'server.port': Number(back.grpc.split(':')[1]),
    'rpc.response.status_code': 'NOT_FOUND',
    'error.reason': 'USER_NOT_FOUND',
  })
  t.equal(second?.failed, undefined, 'that a user is missing is an outcome')
  t.match(inner?.attributes, { 'peer.service': 'front' })
})

test('the span of the last try says that its caller got another answer', async (t) => {
  const memory = spanMemory()
  const target = `direct:///127.0.0.1:${await freePort()}`
  const front = await hop(t, {
    spans: memory.exporter,
    users: (clients) => {
      const others = clients.of(User, target, patient)
      const options = fallback(User.method.getUser, () => ({ id: 7n }))
      return { getUser: ({ id }) => others.getUser({ id }, options) }
    },
  })
  await using users = clientOf(User, `http://${front.grpc}`, patient)
  t.equal((await users.getUser({ id: 1n })).id, 7n)
  await until('the server span', () => ofCall(memory.spans(), 'SERVER').length > 0)
  const tries = ofCall(memory.spans(), 'CLIENT')
  t.strictSame(
    tries.map(({ attributes }) => [attributes['rpc.attempt'], attributes.fallback]),
    tries.map((_span, at) => [at + 1, at === tries.length - 1 ? true : undefined]),
  )
  const samples = readSamples(await front.metrics.text())
  const failed = samples.filter(
    ({ name, labels }) => name === 'client_requests_code_total' && labels.code !== '200',
  )
  t.match(failed, [{ labels: { code: '503', reason: 'UNAVAILABLE' }, value: tries.length }])
})

test('a deadline of 50 ms ends both hops', async (t) => {
  const aborted = Promise.withResolvers<unknown>()
  const timeouts: (number | undefined)[] = []
  const back = await hop(t, {
    users: () => ({
      async getUser(_request, { signal, timeoutMs }) {
        timeouts.push(timeoutMs())
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        aborted.resolve(signal.reason)
        return {}
      },
    }),
  })
  const front = await hop(t, forwarding(`direct:///${back.grpc}`))
  await using users = clientOf(User, `http://${front.grpc}`, patient)
  // On a busy machine the time may be over before the second hop.
  await until('a call at the second hop', async () => {
    const call = users.getUser({ id: 1n }, { timeoutMs: 50 }).catch(caught)
    t.match(await call, { code: Code.DeadlineExceeded })
    return timeouts.length > 0
  })
  // By its own deadline, or by the end of the call that made it, whichever is noticed first.
  t.match(await aborted.promise, { code: /^(?:1|4)$/ })
  t.ok(Number(timeouts[0]) <= 45, `the second hop had ${timeouts[0]} ms`)
})

test('a call that its caller gives up ends on both hops', async (t) => {
  const begun = Promise.withResolvers<void>()
  const aborted = Promise.withResolvers<void>()
  const back = await hop(t, {
    users: () => ({
      async getUser(_request, { signal }) {
        signal.addEventListener('abort', () => aborted.resolve())
        begun.resolve()
        await aborted.promise
        return {}
      },
    }),
  })
  const front = await hop(t, forwarding(`direct:///${back.grpc}`))
  await using users = clientOf(User, `http://${front.grpc}`, patient)
  const stop = new AbortController()
  const call = users.getUser({ id: 1n }, { signal: stop.signal }).catch(caught)
  await begun.promise
  stop.abort()
  t.match(await call, { code: Code.Canceled })
  await aborted.promise
})

test('global metadata and the error of the last hop cross all hops, REST included', async (t) => {
  const seen: Record<string, string>[] = []
  const back = await hop(t, {
    users: () => ({
      getUser(_request, { requestHeader }) {
        seen.push(Object.fromEntries(requestHeader))
        throw new ConnectError('no such user', Code.NotFound)
      },
    }),
  })
  const middle = await hop(t, forwarding(`direct:///${back.grpc}`))
  const front = await hop(t, forwarding(`direct:///${middle.grpc}`, { protocol: 'connect' }))
  const answer = await fetch(`${front.rest}/v1/users/1`, {
    headers: { 'x-md-global-region': 'eu', 'x-md-local-secret': 'no' },
  })
  t.equal(answer.status, 404)
  t.match(await answer.json(), { reason: 'NOT_FOUND', message: 'no such user' })
  t.match(seen, [{ 'x-md-global-region': 'eu', 'x-md-service-name': 'front' }])
  t.notOk('x-md-local-secret' in (seen[0] ?? {}))
})

test('metrics count tries under the names of Kratos', async (t) => {
  const back = await hop(t, {
    users: () => ({
      getUser({ id }) {
        if (id === 1n) return { id }
        throw new ConnectError('no such user', Code.NotFound)
      },
    }),
  })
  const dead = `127.0.0.1:${await freePort()}`
  const front = await hop(t, forwarding(`direct:///${back.grpc},${dead}`))
  await using users = clientOf(User, `http://${front.grpc}`, patient)
  const failed = async () =>
    readSamples(await front.metrics.text()).find(({ labels }) => labels.reason === 'unsent')
  await until('a try at the node that is dead', async () => {
    await users.getUser({ id: 1n })
    return Number((await failed())?.value) > 0
  })
  await users.getUser({ id: 2n }).catch(caught)
  const samples = readSamples(await front.metrics.text())
  const of = (wanted: string) => samples.filter(({ name }) => name === wanted)
  const call = { kind: 'grpc', operation: `/${operation}` }
  const requests = of('client_requests_code_total')
  const byCode = (code: string) => requests.find(({ labels }) => labels.code === code)
  t.match(byCode('200')?.labels, { ...call, reason: '' })
  t.match(byCode('404'), { labels: { ...call, reason: 'NOT_FOUND' }, value: 1 })
  t.match(byCode('503')?.labels, { ...call, reason: 'UNAVAILABLE' })
  t.match(of('client_requests_seconds_count'), [{ labels: call, value: sum(requests) }])
  const nodes = of('client_node_down').map(({ labels }) => labels.node)
  t.strictSame(new Set(nodes), new Set([dead, back.grpc]))
})
