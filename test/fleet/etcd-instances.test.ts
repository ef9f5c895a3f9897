import { Code, ConnectError } from '@connectrpc/connect'
import { test, type Test } from 'tap'
import { clientOf } from '../../src/client/client.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { callers, caught } from '../client/callers.ts'
import { hop } from '../client/hop.ts'
import { type Collector, httpCollector } from '../help/collector.ts'
import { freshSqlitePath } from '../help/db.ts'
import { type RunningEtcd, startEtcd, withoutEtcd } from '../help/etcd.ts'
import { startProcess } from '../help/process.ts'
import { type SeenSpan, spanMemory } from '../help/spans.ts'
import { until } from '../help/until.ts'
import { found } from './found.ts'

const real = { skip: withoutEtcd }
/** Slow is no failure here. */
const patient = { timeoutMs: 60_000 }
const operation = 'api.user.v1.User/GetUser'
const prefix = '/microservices/user.service/'

/** A service whose getUser asks the instances that etcd lists. */
const asking = (etcd: RunningEtcd, t: Test) => ({
  discovery: found(t, etcd),
  users: (clients: Parameters<Parameters<typeof hop>[1]['users']>[0]) => {
    const others = clients.of(User, 'discovery:///user.service', patient)
    return { getUser: ({ id }: { id: bigint }) => others.getUser({ id }) }
  },
})

/** Processes of the service, with one database, that announce themselves and send their spans. */
function instances(t: Test, ids: readonly string[], etcd: RunningEtcd, { url }: Collector) {
  const database = freshSqlitePath(t)
  return Promise.all(
    ids.map((id) =>
      startProcess(t, {
        SQLITE_PATH: database,
        TIMEOUT: '60s',
        REGISTRY: 'etcd',
        ETCD_ENDPOINTS: etcd.url,
        REGISTRY_ID: id,
        TRACING_EXPORTER: 'otlp_http',
        TRACING_ENDPOINT: url,
        TRACING_BATCH_DELAY: '0.05s',
        OTEL_RESOURCE_ATTRIBUTES: `service.instance.id=${id}`,
      }),
    ),
  )
}

const portOf = ({ grpc }: { grpc: string }) => Number(grpc.split(':')[1])
const ofCall = <S extends SeenSpan>(spans: readonly S[], kind: SeenSpan['kind']) =>
  spans.filter((span) => span.kind === kind && span.name === operation)

test(
  'an instance that is killed costs no call, and each try is a span that leads to its node',
  real,
  async (t) => {
    const [etcd, collector] = await Promise.all([startEtcd(t), httpCollector(t)])
    const [first, second] = await instances(t, ['one', 'two'], etcd, collector)
    if (!first || !second) return t.fail('two instances')
    const memory = spanMemory()
    const front = await hop(t, { ...asking(etcd, t), spans: memory.exporter })
    await using users = clientOf(User, `http://${front.grpc}`, patient)
    await clientOf(User, `http://${first.grpc}`).createUser({ name: 'Ann', email: 'a@example.org' })
    await until('both in etcd', async () => Object.keys(await etcd.values(prefix)).length === 2)
    const tries = () => ofCall(memory.spans(), 'CLIENT')
    const at = ({ attributes }: SeenSpan) => attributes['server.port']
    const calls = callers(4, () => users.getUser({ id: 1n }))
    const served = () => new Set(tries().map(at)).size
    await until('calls at both', () => served() === 2)
    first.kill('SIGKILL')
    await first.exit
    await until('a second try', () => tries().some((one) => one.attributes['rpc.attempt'] === 2))
    await calls.stop()
    t.strictSame(calls.state.failed.map(String), [])

    const again = tries().find(({ attributes }) => attributes['rpc.attempt'] === 2)
    const lost = tries().find(({ id, parent }) => parent === again?.parent && id !== again?.id)
    const outer = ofCall(memory.spans(), 'SERVER').find(({ id }) => id === again?.parent)
    t.equal(lost?.parent, outer?.id, 'both tries are children of the call that makes them')
    t.match(lost, {
      failed: 'UNAVAILABLE',
      attributes: { 'rpc.attempt': 1, 'server.port': portOf(first) },
    })
    t.match(again, { failed: undefined, attributes: { 'server.port': portOf(second) } })
    const ids: Record<string, string> = { [portOf(first)]: 'one', [portOf(second)]: 'two' }
    const behind = (one?: SeenSpan) =>
      ofCall(collector.spans, 'SERVER').find(({ parent }) => parent === one?.id)
    // Of the process that was killed those that it had sent.
    const known = () => tries().filter((one) => at(one) === portOf(second) || behind(one))
    await until('a server span of each try', () => known().every(behind))
    for (const one of known()) {
      const inner = behind(one)
      if (inner?.traceId !== one.traceId) t.fail(`${one.id} has a trace of its own`)
      const id = inner?.resource['service.instance.id']
      if (id !== ids[String(at(one))]) t.fail(`${one.id} leads to ${JSON.stringify(id)}`)
    }
    t.equal(new Set(known().map(at)).size, 2, 'there are some of both')
  },
)

test(
  'a deadline of 50 ms ends a call here and at the instance that etcd lists',
  real,
  async (t) => {
    const aborted = Promise.withResolvers<unknown>()
    const left: (number | undefined)[] = []
    const back = await hop(t, {
      users: () => ({
        async getUser(_request, { signal, timeoutMs }) {
          left.push(timeoutMs())
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          aborted.resolve(signal.reason)
          return {}
        },
      }),
    })
    const etcd = await startEtcd(t)
    const instance = { id: 'one', name: 'user.service', version: '', metadata: {} }
    const endpoints = [`grpc://${back.grpc}`]
    await etcd.put(`${prefix}one`, JSON.stringify({ ...instance, endpoints }))
    const front = await hop(t, asking(etcd, t))
    await using users = clientOf(User, `http://${front.grpc}`, patient)
    // On a busy machine the time may be over before the second hop.
    await until('a call at the second hop', async () => {
      const call = users.getUser({ id: 1n }, { timeoutMs: 50 }).catch(caught)
      t.match(await call, { code: Code.DeadlineExceeded })
      return left.length > 0
    })
    const { code } = ConnectError.from(await aborted.promise)
    // By its own deadline, or by the end of the call that made it, whichever is noticed first.
    t.ok([Code.DeadlineExceeded, Code.Canceled].includes(code), Code[code])
    t.ok(Number(left[0]) <= 45, `the second hop had ${left[0]} ms`)
  },
)
