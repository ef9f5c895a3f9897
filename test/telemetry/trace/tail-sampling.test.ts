import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { durationFromMs } from '@bufbuild/protobuf/wkt'
import { createConnection } from 'mysql2/promise'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import type { Conf } from '../../../src/conf/conf.ts'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { startApp } from '../../help/app.ts'
import { spanMemory, trees } from '../../help/spans.ts'

/** More than the other calls take on a busy machine. */
const slowMs = 1500

function start(t: Test, change: (sampling: Conf['tracing']['sampling']) => void) {
  const memory = spanMemory()
  const app = startApp(t, {
    storage: 'mysql',
    spans: memory.exporter,
    configure({ tracing, server }) {
      server.timeout = durationFromMs(20_000)
      tracing.sampling.ratio = 0
      change(tracing.sampling)
    },
  })
  return { memory, app }
}

/** 100 calls of which 3 fail by the database's fault and 2 take long, by REST and gRPC in turn. */
async function hundredCalls({ rest, rpc, database }: Awaited<ReturnType<typeof startApp>>) {
  const grpc = createClient(User, createGrpcTransport({ baseUrl: rpc.url }))
  const created = await grpc.createUser({ name: 'Ada', email: 'ada@example.org' })
  for (let call = 0; call < 95; call += 1) {
    if (call % 2 === 0) await fetch(`${rest.url}/v1/users/${call % 3 === 0 ? 4711 : created.id}`)
    else await grpc.getUser({ id: created.id })
  }
  const connection = await createConnection(database)
  await connection.query('BEGIN')
  await connection.query('SELECT * FROM users FOR UPDATE')
  const slow = [
    fetch(`${rest.url}/v1/users/${created.id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"B"}',
    }),
    grpc.updateUser({ id: created.id, user: { name: 'C' } }),
  ]
  // So long the calls are to last.
  await sleep(slowMs + 100)
  await connection.query('ROLLBACK')
  await Promise.all(slow)
  await connection.query('DROP TABLE users')
  await connection.end()
  await fetch(`${rest.url}/v1/users/1`)
  await grpc.getUser({ id: 1n }).catch(() => undefined)
  await fetch(`${rest.url}/v1/users/2`)
}

test('errors and slow calls are kept whole though none was chosen, and nothing else', async (t) => {
  const { memory, app: starting } = start(t, ({ keep }) => {
    keep.errors = true
    keep.slowerThan = durationFromMs(slowMs)
  })
  const app = await starting
  await hundredCalls(app)
  await app.close()
  const kept = trees(memory.spans())
  t.equal(kept.length, 5)
  t.equal(kept.filter((tree) => tree.includes('ER_NO_SUCH_TABLE')).length, 3)
  t.equal(kept.filter((tree) => tree.includes('CLIENT UPDATE users')).length, 2)
  t.ok(kept.every((tree) => tree.startsWith('SERVER ')))
  t.match(app.tracing?.counts(), { dropped: { keep: 0 }, waiting: 0 })
})

test('with nothing to keep, no span is made of a call that was not chosen', async (t) => {
  const { memory, app: starting } = start(t, () => undefined)
  const app = await starting
  await hundredCalls(app)
  await app.close()
  t.same(memory.spans(), [])
  t.same(app.tracing?.counts().exported, 0)
})

test('what is held back has a limit, past which requests are given up whole', async (t) => {
  const { memory, app: starting } = start(t, ({ keep }) => {
    keep.errors = true
    keep.maxSpans = 3
  })
  const app = await starting
  await hundredCalls(app)
  await app.close()
  t.same(trees(memory.spans()), [], 'a tree of five does not fit into three')
  t.match(app.tracing?.counts(), { waiting: 0 })
  t.ok((app.tracing?.counts().dropped.keep ?? 0) >= 3 * 4, 'and is counted')
})

test('a stream that has begun holds no spans, and only the span of one that fails is kept', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, {
    storage: 'sqlite',
    spans: memory.exporter,
    configure({ tracing: { sampling } }) {
      sampling.ratio = 0
      sampling.keep.errors = true
      sampling.keep.slowerThan = durationFromMs(1)
    },
  })
  const client = createClient(User, createGrpcTransport({ baseUrl: app.rpc.url }))
  const watch = client.watchUsers({ snapshot: true })[Symbol.asyncIterator]()
  await watch.next()
  t.match(app.tracing?.counts(), { waiting: 0 })
  for await (const _ of client.exportUsers({})) continue
  const ended = t.rejects(watch.next(), { message: /shutting down/ })
  await app.close()
  await ended
  t.match(memory.spans(), [
    { kind: 'SERVER', name: 'api.user.v1.User/WatchUsers', failed: 'SHUTTING_DOWN' },
  ])
})
