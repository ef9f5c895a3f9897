// Run by scripts/verify-tracing.ts, which brings the programs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createConnection } from 'mysql2/promise'
import { test, type Test } from 'tap'
import { type Protocol, callers, protocols } from '../e2e/callers.ts'
import { freshMysqlDatabase, freshSqlitePath, privateMysqlServer } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { type SeenSpan, trees } from '../help/spans.ts'
import { until } from '../help/until.ts'

interface JaegerTag {
  key: string
  value: unknown
}

interface JaegerSpan {
  traceID: string
  spanID: string
  operationName: string
  references: { refType: string; spanID: string }[]
  startTime: number
  duration: number
  tags: JaegerTag[]
  logs: { fields: JaegerTag[] }[]
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function run(t: Test, program: string | undefined, args: string[]): void {
  if (!program) throw new Error('run this by `npm run verify:tracing`')
  const child = spawn(program, args, { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
}

/** A Collector that takes OTLP over gRPC and sends it on to a Jaeger, and what Jaeger then knows. */
async function startBackend(t: Test) {
  const [otlp = 0, query = 0, toJaeger = 0, ...others] = await Promise.all(
    Array.from({ length: 10 }, freePort),
  )
  const at = (port = 0) => `127.0.0.1:${port}`
  run(t, process.env.TRACING_JAEGER, [
    `--collector.otlp.grpc.host-port=${at(toJaeger)}`,
    `--collector.otlp.http.host-port=${at(others[0])}`,
    `--collector.grpc-server.host-port=${at(others[1])}`,
    `--collector.http-server.host-port=${at(others[2])}`,
    `--query.http-server.host-port=${at(query)}`,
    `--query.grpc-server.host-port=${at(others[3])}`,
    `--admin.http.host-port=${at(others[4])}`,
  ])
  const config = {
    receivers: { otlp: { protocols: { grpc: { endpoint: at(otlp) } } } },
    processors: { batch: { timeout: '50ms' } },
    exporters: { otlp_grpc: { endpoint: at(toJaeger), tls: { insecure: true } } },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: {
        traces: { receivers: ['otlp'], processors: ['batch'], exporters: ['otlp_grpc'] },
      },
    },
  }
  run(t, process.env.TRACING_COLLECTOR, ['--config', `yaml:${JSON.stringify(config)}`])
  const known = new Set<string>()

  async function all(): Promise<SeenSpan[][]> {
    const url = `http://${at(query)}/api/traces?service=user-service&limit=1500&lookback=1h`
    const answer = await fetch(url).catch(() => undefined)
    if (!answer?.ok) return []
    const { data } = (await answer.json()) as { data: { spans: JaegerSpan[] }[] }
    return data.map(({ spans }) => spans.map(read))
  }
  return {
    endpoint: `http://${at(otlp)}`,
    /** The tree that `act` has made, once Jaeger has it with so many spans. */
    async treeOf(act: () => Promise<unknown>, spans: number): Promise<string> {
      await act()
      let fresh: SeenSpan[] = []
      await until(`a new trace of ${spans} spans`, async () => {
        const isNew = (trace: SeenSpan[]) =>
          trace.length >= spans && !known.has(trace[0]?.traceId ?? '')
        fresh = (await all()).find(isNew) ?? []
        return fresh.length > 0
      })
      known.add(fresh[0]?.traceId ?? '')
      return trees(fresh).join('\n')
    },
  }
}

function read({
  spanID,
  traceID,
  operationName,
  references,
  startTime,
  duration,
  tags,
  logs,
}: JaegerSpan): SeenSpan {
  const attributes = Object.fromEntries(tags.map(({ key, value }) => [key, value]))
  const failed = attributes['otel.status_code'] === 'ERROR'
  const text = (key: string) => {
    const value = attributes[key]
    return typeof value === 'string' ? value : ''
  }
  return {
    traceId: traceID,
    id: spanID,
    parent: references.find(({ refType }) => refType === 'CHILD_OF')?.spanID ?? '',
    name: operationName,
    kind: (text('span.kind') || 'internal').toUpperCase() as SeenSpan['kind'],
    attributes,
    events: logs.map(({ fields }) => {
      const its = Object.fromEntries(fields.map(({ key, value }) => [key, value]))
      return { name: String(its.event), attributes: its }
    }),
    failed: failed ? text('otel.status_description') : undefined,
    start: BigInt(startTime) * 1000n,
    end: BigInt(startTime + duration) * 1000n,
  }
}

const rest: Record<string, string> = {
  CreateUser: 'POST /v1/users',
  GetUser: 'GET /v1/users/{id}',
  UpdateUser: 'PATCH /v1/users/{id}',
}
const server = (protocol: Protocol, method: string) =>
  `SERVER ${protocol === 'REST' ? rest[method] : `api.user.v1.User/${method}`}`
const nested = (...names: string[]) =>
  names.map((name, depth) => '  '.repeat(depth) + name).join('\n')

const ada = { name: 'Ada', email: 'ada@example.org' }

/** Whether the server creates a user by one statement. */
async function isMariaDb(dsn: string): Promise<boolean> {
  const connection = await createConnection(dsn)
  const [rows] = await connection.query('SELECT version() AS version')
  await connection.end()
  return JSON.stringify(rows).includes('MariaDB')
}

for (const storage of ['mysql', 'sqlite'] as const)
  test(`Jaeger shows each call as one tree, on ${storage}`, { timeout: 600_000 }, async (t) => {
    const backend = await startBackend(t)
    const dsn = storage === 'mysql' ? await freshMysqlDatabase(t) : ''
    const atOnce = dsn !== '' && (await isMariaDb(dsn))
    const service = await startProcess(t, {
      TRACING_ENDPOINT: backend.endpoint,
      // So that an error status and an exception have to arrive, too.
      TRACING_CLIENT_ERRORS: 'true',
      TRACING_EXPORTER: 'otlp_grpc',
      TRACING_BATCH_DELAY: '0.05s',
      TIMEOUT: '1s',
      ...(storage === 'mysql' ? { DB_DSN: dsn } : { SQLITE_PATH: freshSqlitePath(t) }),
    })
    const calls = callers({
      rest: { url: service.rest, port: 0 },
      rpc: { url: service.rpc, port: 0 },
    })
    for (const protocol of protocols) {
      const call = calls[protocol]
      const email = `${protocol.replaceAll(' ', '').toLowerCase()}@example.org`
      const created = ['UserService.CreateUser', 'UserUseCase.Create', 'UserRepo.Insert']
      const [first, ...later] = atOnce
        ? ['INSERT users']
        : ['BEGIN', 'INSERT users', 'INSERT user_changes', 'COMMIT']
      t.equal(
        await backend.treeOf(() => call('createUser', { ...ada, email }), 5 + later.length),
        [
          nested(server(protocol, 'CreateUser'), ...created, `CLIENT ${first}`),
          ...later.map((name) => `        CLIENT ${name}`),
        ].join('\n'),
      )
      const [duplicate] = storage === 'mysql' ? ['ER_DUP_ENTRY'] : ['SQLITE_2067']
      t.equal(
        await backend.treeOf(() => call('createUser', { ...ada, email }), atOnce ? 6 : 7),
        [
          nested(
            server(protocol, 'CreateUser'),
            ...created.map((name) => `${name} !USER_ALREADY_EXISTS`),
            atOnce ? `CLIENT INSERT users !${duplicate} *` : 'CLIENT BEGIN',
          ),
          ...(atOnce ? [] : [`        CLIENT INSERT users !${duplicate} *`]),
          '        CLIENT ROLLBACK',
        ].join('\n'),
      )
      t.equal(
        await backend.treeOf(() => call('getUser', { id: '1' }), 5),
        nested(
          server(protocol, 'GetUser'),
          'UserService.GetUser',
          'UserUseCase.Get',
          'UserRepo.Find',
          'CLIENT SELECT users',
        ),
      )
      t.equal(
        await backend.treeOf(() => call('getUser', { id: '4711' }), 5),
        nested(
          server(protocol, 'GetUser'),
          'UserService.GetUser !USER_NOT_FOUND',
          'UserUseCase.Get !USER_NOT_FOUND *',
          'UserRepo.Find',
          'CLIENT SELECT users',
        ),
      )
      t.equal(
        await backend.treeOf(() => call('getUser', { id: '-1' }), 1),
        server(protocol, 'GetUser'),
      )
    }
    for (const [url, root] of [
      [`${service.rest}/v1/users`, 'SERVER POST /v1/users'],
      [`${service.rpc}/api.user.v1.User/CreateUser`, 'SERVER api.user.v1.User/CreateUser'],
    ] as const)
      t.equal(
        await backend.treeOf(
          () =>
            fetch(url, {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: '{',
            }),
          1,
        ),
        root,
        'a malformed body',
      )
    if (storage === 'sqlite') return
    const locker = await createConnection(dsn)
    t.teardown(() => locker.end())
    await locker.query('BEGIN')
    await locker.query('SELECT * FROM users FOR UPDATE')
    for (const protocol of protocols) {
      const tree = await backend.treeOf(
        () => calls[protocol]('updateUser', { id: '1', user: { name: 'B' } }),
        6,
      )
      t.match(
        tree.split('\n').map((line) => line.trim()),
        [
          `${server(protocol, 'UpdateUser')} !DEADLINE_EXCEEDED`,
          /^UserService.UpdateUser !/,
          /^UserUseCase.Update !/,
          /^UserRepo.Update !.* \*$/,
          'CLIENT BEGIN',
          'CLIENT UPDATE users !given up',
        ],
      )
    }
  })

test('Jaeger shows a database that is down', { timeout: 600_000 }, async (t) => {
  const backend = await startBackend(t)
  const database = await privateMysqlServer(t)
  const service = await startProcess(t, {
    TRACING_ENDPOINT: backend.endpoint,
    TRACING_BATCH_DELAY: '0.05s',
    TRACING_EXPORTER: 'otlp_grpc',
    DB_DSN: database.dsn,
  })
  await database.end('SIGKILL')
  await until('the outage to be noticed', async () => {
    const { status } = await fetch(`${service.rest}/readyz`)
    return status === 503
  })
  const calls = callers({
    rest: { url: service.rest, port: 0 },
    rpc: { url: service.rpc, port: 0 },
  })
  for (const protocol of protocols)
    t.equal(
      await backend.treeOf(() => calls[protocol]('getUser', { id: '1' }), 4),
      nested(
        `${server(protocol, 'GetUser')} !DATABASE_UNAVAILABLE`,
        'UserService.GetUser !DATABASE_UNAVAILABLE',
        'UserUseCase.Get !DATABASE_UNAVAILABLE',
        'UserRepo.Find !DATABASE_UNAVAILABLE *',
      ),
    )
})
