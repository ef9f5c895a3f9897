import { createClient } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { createConnection } from 'mysql2/promise'
import { DatabaseSync } from 'node:sqlite'
import { test, type Test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { type Protocol, callers, protocols } from '../../e2e/callers.ts'
import { type RunningApp, startApp, type Storage } from '../../help/app.ts'
import { type SeenSpan, served, spanMemory, trees } from '../../help/spans.ts'

const storages: Storage[] = ['mysql', 'sqlite']
const ada = { name: 'Ada', email: 'ada@example.org' }

const rest: Record<string, string> = {
  CreateUser: 'POST /v1/users',
  GetUser: 'GET /v1/users/{id}',
  ListUsers: 'GET /v1/users',
  UpdateUser: 'PATCH /v1/users/{id}',
  DeleteUser: 'DELETE /v1/users/{id}',
}

/** The root of a call's tree. */
function server(protocol: Protocol, method: string): string {
  return `SERVER ${protocol === 'REST' ? rest[method] : `api.user.v1.User/${method}`}`
}

/** One line below the other, each a child of the one before. */
function nested(...names: string[]): string {
  return names.map((name, depth) => '  '.repeat(depth) + name).join('\n')
}

/** A call whose layers end in a transaction of these statements. */
function inTransaction(root: string, layers: string[], statements: string[]): string {
  const depth = '  '.repeat(layers.length + 1)
  const later = statements.map((statement) => `${depth}CLIENT ${statement}`)
  return [nested(root, ...layers, 'CLIENT BEGIN'), ...later].join('\n')
}

const createLayers = ['UserService.CreateUser', 'UserUseCase.Create', 'UserRepo.Insert']

/** Whether a user is created by one statement, as on MariaDB. */
function byOneStatement(spans: readonly { attributes: Record<string, unknown> }[]): boolean {
  return spans.some(({ attributes }) => attributes['db.system.name'] === 'mariadb')
}

const getTree = ['UserService.GetUser', 'UserUseCase.Get', 'UserRepo.Find', 'CLIENT SELECT users']

async function start(t: Test, storage: Storage) {
  const memory = spanMemory()
  const app = await startApp(t, { storage, spans: memory.exporter })
  const calls = callers(app)
  await memory.of(() => calls.REST('createUser', ada), served(1))
  return { app, calls, of: memory.of }
}

for (const storage of storages) {
  test(`a call is one tree from the socket to the statement, on ${storage}`, async (t) => {
    const { calls, of } = await start(t, storage)
    for (const protocol of protocols) {
      const spans = await of(() => calls[protocol]('getUser', { id: '1' }), served(1))
      t.same(trees(spans), [nested(server(protocol, 'GetUser'), ...getTree)], protocol)
      t.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1)
      inOrder(t, spans)
    }
  })

  test(`each method has its layers and its statements, on ${storage}`, async (t) => {
    const { calls, of } = await start(t, storage)
    for (const protocol of protocols) {
      const email = `${protocol.replaceAll(' ', '').toLowerCase()}@example.org`
      let id = ''
      const create = await of(async () => {
        const { message } = (await calls[protocol]('createUser', { ...ada, email })) as {
          message: { id: string }
        }
        id = message.id
      }, served(1))
      const root = server(protocol, 'CreateUser')
      t.same(trees(create), [
        byOneStatement(create)
          ? nested(root, ...createLayers, 'CLIENT INSERT users')
          : inTransaction(root, createLayers, ['INSERT users', 'INSERT user_changes', 'COMMIT']),
      ])
      const listed = await of(() => calls[protocol]('listUsers', {}), served(1))
      const [list = ''] = trees(listed)
      t.equal(
        list.split('\n').toSorted().join('\n'),
        [
          server(protocol, 'ListUsers'),
          '  UserService.ListUsers',
          '    UserUseCase.List',
          '      UserRepo.List',
          '        CLIENT SELECT users',
          '      UserRepo.Count',
          '        CLIENT SELECT users',
        ]
          .toSorted()
          .join('\n'),
      )
      const update = await of(
        () => calls[protocol]('updateUser', { id, user: { name: 'B' } }),
        served(1),
      )
      t.same(trees(update), [
        inTransaction(
          server(protocol, 'UpdateUser'),
          ['UserService.UpdateUser', 'UserUseCase.Update', 'UserRepo.Update'],
          ['UPDATE users', 'SELECT users', 'INSERT user_changes', 'COMMIT'],
        ),
      ])
      const gone = await of(() => calls[protocol]('deleteUser', { id }), served(1))
      t.same(trees(gone), [
        inTransaction(
          server(protocol, 'DeleteUser'),
          ['UserService.DeleteUser', 'UserUseCase.Delete', 'UserRepo.Delete'],
          ['DELETE users', 'INSERT user_changes', 'COMMIT'],
        ),
      ])
    }
  })

  test(`a missing user is an outcome, which no span has as an error, on ${storage}`, async (t) => {
    const { calls, of } = await start(t, storage)
    for (const protocol of protocols) {
      const spans = await of(() => calls[protocol]('getUser', { id: '4711' }), served(1))
      t.same(trees(spans), [
        nested(
          server(protocol, 'GetUser'),
          'UserService.GetUser',
          'UserUseCase.Get',
          'UserRepo.Find',
          'CLIENT SELECT users',
        ),
      ])
      t.match(rootOf(spans), {
        attributes: { 'error.reason': 'USER_NOT_FOUND', 'rpc.status_code': 404 },
        failed: undefined,
      })
      const reasons = spans.map(({ name, attributes }) => [name, attributes['error.reason']])
      t.match(Object.fromEntries(reasons), {
        'UserService.GetUser': 'USER_NOT_FOUND',
        'UserUseCase.Get': 'USER_NOT_FOUND',
      })
      t.notOk(spans.some(({ attributes }) => attributes['error.type'] !== undefined))
    }
  })

  test(`a taken mail address is recorded once, where the statement failed, on ${storage}`, async (t) => {
    const { calls, of } = await start(t, storage)
    const [type, code] = storage === 'mysql' ? ['ER_DUP_ENTRY', '1062'] : ['SQLITE_2067', '2067']
    for (const protocol of protocols) {
      const spans = await of(() => calls[protocol]('createUser', ada), served(1))
      const root = server(protocol, 'CreateUser')
      const failed = `INSERT users !${type} *`
      t.same(trees(spans), [
        byOneStatement(spans)
          ? [
              nested(root, ...createLayers, `CLIENT ${failed}`),
              `${'  '.repeat(createLayers.length + 1)}CLIENT ROLLBACK`,
            ].join('\n')
          : inTransaction(root, createLayers, [failed, 'ROLLBACK']),
      ])
      const statement = spans.find(({ name }) => name === 'INSERT users')
      t.match(statement?.attributes, { 'db.response.status_code': code, 'error.type': type })
      t.notMatch(JSON.stringify(spans.map(({ events }) => events)), /example/)
    }
  })

  test(`what is refused before the handler is a server span alone, on ${storage}`, async (t) => {
    const { app, calls, of } = await start(t, storage)
    for (const protocol of protocols) {
      const invalid = await of(() => calls[protocol]('getUser', { id: '-1' }), served(1))
      t.same(trees(invalid), [server(protocol, 'GetUser')])
      t.match(rootOf(invalid).attributes, { 'error.reason': 'INVALID_USER_INPUT' })
    }
    for (const [name, request, root, attributes] of early(app)) {
      const spans = await of(request, served(1))
      t.same(trees(spans), [root], name)
      t.match(rootOf(spans).attributes, attributes, name)
    }
  })

  test(`a failing table is one exception under a server error, on ${storage}`, async (t) => {
    const { app, calls, of } = await start(t, storage)
    await dropTable(app, storage)
    const type = storage === 'mysql' ? 'ER_NO_SUCH_TABLE' : 'SQLITE_1'
    for (const protocol of protocols) {
      const spans = await of(() => calls[protocol]('getUser', { id: '1' }), served(1))
      t.same(trees(spans), [
        nested(
          `${server(protocol, 'GetUser')} !INTERNAL`,
          'UserService.GetUser !INTERNAL',
          'UserUseCase.Get !INTERNAL',
          'UserRepo.Find !INTERNAL',
          `CLIENT SELECT users !${type} *`,
        ),
      ])
      t.match(rootOf(spans).attributes, { 'error.type': 'INTERNAL' })
    }
  })
}

test('a missing user is an error of the layers where the settings ask for that', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, {
    storage: 'sqlite',
    spans: memory.exporter,
    env: { TRACING_CLIENT_ERRORS: 'true' },
  })
  const calls = callers(app)
  for (const protocol of protocols) {
    const spans = await memory.of(() => calls[protocol]('getUser', { id: '4711' }), served(1))
    t.same(trees(spans), [
      nested(
        server(protocol, 'GetUser'),
        'UserService.GetUser !USER_NOT_FOUND',
        'UserUseCase.Get !USER_NOT_FOUND *',
        'UserRepo.Find',
        'CLIENT SELECT users',
      ),
    ])
  }
})

test('a deadline ends the whole tree, the statement that is given up included', async (t) => {
  const { app, of } = await start(t, 'mysql')
  const locker = await createConnection(app.database)
  t.teardown(() => locker.end())
  await locker.query('BEGIN')
  await locker.query('SELECT * FROM users FOR UPDATE')
  const baseUrl = app.rpc.url
  const transports = {
    Connect: createConnectTransport({ baseUrl, httpVersion: '1.1' }),
    gRPC: createGrpcTransport({ baseUrl }),
    'gRPC-Web': createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
  }
  const update = { id: 1n, user: { name: 'B' } }
  const requests: [string, () => Promise<unknown>][] = [
    ...Object.entries(transports).map(([name, transport]): [string, () => Promise<unknown>] => [
      name,
      () =>
        createClient(User, transport)
          .updateUser(update, { headers: { 'x-md-global-a': 'b' }, timeoutMs: 400 })
          .catch(() => undefined),
    ]),
    [
      'REST',
      () =>
        fetch(`${app.rest.url}/v1/users/1`, {
          method: 'PATCH',
          headers: { 'content-type': 'application/json', 'x-server-timeout': '0.4' },
          body: '{"name":"B"}',
        }).then((answer) => answer.text()),
    ],
  ]
  for (const [name, request] of requests) {
    const spans = await of(request, (all) => served(1)(all) && all.length >= 6)
    const [tree = ''] = trees(spans)
    t.match(
      tree.split('\n').map((line) => line.trim()),
      [
        /^SERVER .*(!DEADLINE_EXCEEDED|User)/,
        /^UserService.UpdateUser !/,
        /^UserUseCase.Update !/,
        /^UserRepo.Update !.* \*$/,
        'CLIENT BEGIN',
        'CLIENT UPDATE users !given up',
      ],
      name,
    )
    t.equal(trees(spans).length, 1, name)
  }
  await locker.query('ROLLBACK')
})

function rootOf(spans: SeenSpan[]): SeenSpan {
  const root = spans.find(({ kind }) => kind === 'SERVER')
  if (!root) throw new Error('there is no server span')
  return root
}

/** No span outlives its parent, and none is older. */
function inOrder(t: Test, spans: SeenSpan[]): void {
  for (const span of spans) {
    const parent = spans.find(({ id }) => id === span.parent)
    t.ok(!parent || (parent.start <= span.start && span.end <= parent.end), span.name)
    t.ok(span.start <= span.end)
  }
}

type Early = [string, () => Promise<unknown>, string, Record<string, unknown>]

function early({ rest, rpc }: RunningApp): Early[] {
  const send = (url: string, type: string, body: string | Uint8Array<ArrayBuffer>) => () =>
    fetch(url, { method: 'POST', headers: { 'content-type': type }, body }).then((answer) =>
      answer.text(),
    )
  const create = `${rpc.url}/api.user.v1.User/CreateUser`
  const json = 'application/json'
  const tooLarge = ' '.repeat(2 * 1024 * 1024)
  const root = 'SERVER api.user.v1.User/CreateUser'
  const reason = (name: string) => ({ 'error.reason': name })
  // gRPC calls bytes that are no message INTERNAL, which is an error of the server by the conventions.
  const grpcBytes = Uint8Array.from([0, 0, 0, 0, 3, 0x0a, 9, 0x61])
  return [
    [
      'REST malformed',
      send(`${rest.url}/v1/users`, json, '{'),
      'SERVER POST /v1/users',
      reason('MALFORMED_BODY'),
    ],
    [
      'REST too large',
      send(`${rest.url}/v1/users`, json, tooLarge),
      'SERVER POST /v1/users',
      reason('BODY_TOO_LARGE'),
    ],
    [
      'REST unknown route',
      send(`${rest.url}/v2/x`, json, ''),
      'SERVER POST',
      reason('ROUTE_NOT_FOUND'),
    ],
    ['Connect malformed', send(create, json, '{'), root, reason('MALFORMED_BODY')],
    ['Connect too large', send(create, json, tooLarge), root, reason('BODY_TOO_LARGE')],
    [
      'gRPC-Web malformed',
      send(create, 'application/grpc-web+proto', grpcBytes),
      root,
      reason('MALFORMED_BODY'),
    ],
    [
      'gRPC malformed',
      send(create, 'application/grpc+proto', grpcBytes),
      root,
      reason('MALFORMED_BODY'),
    ],
    ['another type', send(create, 'text/plain', 'x'), root, reason('UNSUPPORTED_MEDIA_TYPE')],
    [
      'unknown method',
      send(`${rpc.url}/api.user.v1.User/No`, json, '{}'),
      'SERVER POST',
      reason('ROUTE_NOT_FOUND'),
    ],
  ]
}

async function dropTable({ database }: RunningApp, storage: Storage): Promise<void> {
  if (storage === 'sqlite') {
    using db = new DatabaseSync(database)
    db.exec('DROP TABLE users')
    return
  }
  const connection = await createConnection(database)
  await connection.query('DROP TABLE users')
  await connection.end()
}
