import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { startApp } from '../../help/app.ts'
import { served, spanMemory, trees } from '../../help/spans.ts'

async function start(t: Test) {
  const memory = spanMemory()
  const app = await startApp(t, { storage: 'sqlite', spans: memory.exporter })
  const client = createClient(User, createGrpcTransport({ baseUrl: app.rpc.url }))
  return { app, client, of: memory.of }
}

const user = (name: string) => ({ name: `Hidden ${name}`, email: `${name}@hidden.example` })

async function* stream<T>(...messages: T[]): AsyncGenerator<T> {
  yield* messages
}

/** Lines of a tree, as deep as the first says. */
const below = (depth: number, ...lines: string[]) => lines.map((line) => '  '.repeat(depth) + line)

test('a watch has a span that ends when it has begun, and one for each batch', async (t) => {
  const { client, of } = await start(t)
  const spans = await of(async () => {
    const stop = new AbortController()
    const watch = client.watchUsers({ snapshot: true }, { signal: stop.signal })
    const events = watch[Symbol.asyncIterator]()
    await events.next()
    await client.createUser(user('one'))
    await events.next()
    await client.createUser(user('two'))
    await events.next()
    stop.abort()
  }, served(3))
  const tree = trees(spans).find((each) => each.includes('WatchUsers'))
  const read = ['  UserRepo.FindMany', '    CLIENT SELECT users']
  t.strictSame(tree?.split('\n'), [
    'SERVER api.user.v1.User/WatchUsers',
    '  UserUseCase.Watch',
    '  UserRepo.After',
    '    CLIENT SELECT users',
    ...read,
    ...read,
  ])
})

test('an import and an export have a span for each batch, and a write one as alone', async (t) => {
  const { client, of } = await start(t)
  const rows = Array.from({ length: 201 }, (_, at) => ({ user: user(`row-${at}`) }))
  const spans = await of(async () => {
    await client.importUsers(stream(...rows))
    for await (const _ of client.exportUsers({})) continue
    const change = { case: 'delete', value: 1n } as const
    for await (const _ of client.syncUsers(stream({ requestId: 'a', change }))) continue
  }, served(3))
  const inserts = (count: number, table: string) =>
    Array.from({ length: count }, () => `CLIENT INSERT ${table}`)
  const batch = (statements: number) => [
    '    UserRepo.FindByEmails',
    '      CLIENT SELECT users',
    '    UserRepo.Apply',
    ...below(
      3,
      'CLIENT BEGIN',
      ...inserts(statements, 'users'),
      ...inserts(statements, 'user_changes'),
      'CLIENT COMMIT',
    ),
  ]
  t.strictSame(
    trees(spans).map((tree) => tree.split('\n')),
    [
      [
        'SERVER api.user.v1.User/ImportUsers',
        '  UserUseCase.Import',
        // 200 rows are 128, 64 and 8.
        ...batch(3),
        ...batch(1),
      ],
      [
        'SERVER api.user.v1.User/ExportUsers',
        '  UserUseCase.Export',
        '    UserRepo.List',
        '      CLIENT SELECT users',
      ],
      [
        'SERVER api.user.v1.User/SyncUsers',
        '  UserService.DeleteUser',
        '    UserUseCase.Delete',
        '      UserRepo.Delete',
        ...below(
          4,
          'CLIENT BEGIN',
          'CLIENT DELETE users',
          'CLIENT INSERT user_changes',
          'CLIENT COMMIT',
        ),
      ],
    ],
  )
})

test('streams leave nothing personal in spans and in the log', async (t) => {
  const { app, client, of } = await start(t)
  const spans = await of(async () => {
    await client.createUser(user('known'))
    const stop = new AbortController()
    const watch = client.watchUsers({ snapshot: true }, { signal: stop.signal })
    const events = watch[Symbol.asyncIterator]()
    await events.next()
    stop.abort()
    const known = { user: { email: 'known@hidden.example', phone: '+49 4711' } }
    await client.importUsers(stream(known, { user: { ...user('bad'), phone: 'hidden' } }))
    for await (const _ of client.exportUsers({ format: 'csv' })) continue
    const change = { case: 'create', value: user('known') } as const
    for await (const _ of client.syncUsers(stream({ requestId: 'hidden', change }))) continue
  }, served(5))
  t.notMatch(
    JSON.stringify(spans, (_, value) => (typeof value === 'bigint' ? 0 : value)),
    /hidden/i,
  )
  t.notMatch(JSON.stringify(app.log()), /hidden|4711/i)
})
