import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import {
  type ImportUsersRequest,
  User,
  type UserEvent,
  UserEvent_Kind,
} from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { type RunningApp, startApp, type Storage } from '../help/app.ts'

const { CREATED, UPDATED, DELETED, PRESENT, SYNCED } = UserEvent_Kind

const transports: Record<string, (url: string) => Transport> = {
  Connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2' }),
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  'gRPC-Web': (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '2' }),
}

type Client = ReturnType<typeof createClient<typeof User>>

/** Runs a test over each protocol with a database of its own. */
function overEach(
  storage: Storage,
  title: string,
  run: (t: Test, client: Client, app: RunningApp) => Promise<void>,
): void {
  for (const [protocol, transport] of Object.entries(transports))
    test(`${title} (${protocol}, ${storage})`, async (t) => {
      const app = await startApp(t, { storage, env: { WATCH_POLL: '0.05s' } })
      await run(t, createClient(User, transport(app.rpc.url)), app)
    })
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  const error = ConnectError.from(
    await work.then(
      () => new Error('it succeeded'),
      (err: unknown) => err,
    ),
  )
  return `${Code[error.code]} ${error.findDetails(ErrorInfoSchema)[0]?.reason}`
}

async function* stream<T>(messages: readonly T[]): AsyncGenerator<T> {
  yield* messages
}

type Streaming<T> = (options: { signal: AbortSignal }) => AsyncIterable<T>

/** The messages of a call, which ends when there are so many: to leave its iterator does not end it. */
async function taken<T>(call: Streaming<T>, count = Number.POSITIVE_INFINITY): Promise<T[]> {
  const found: T[] = []
  const stop = new AbortController()
  try {
    for await (const message of call({ signal: stop.signal }))
      if (found.push(message) === count) break
  } finally {
    stop.abort()
  }
  return found
}

/** How users are watched, exported, imported and synchronised, on one storage. */
export function userStreamTests(storage: Storage): void {
  overEach(
    storage,
    'a watch tells what happens, from now on and from a token',
    async (t, client) => {
      const before = await client.createUser({ name: 'Before', email: 'before@example.org' })
      const stop = new AbortController()
      const watch = client.watchUsers({ snapshot: true }, { signal: stop.signal })
      const events = watch[Symbol.asyncIterator]()
      const next = async () => (await events.next()).value
      t.match(await next(), {
        kind: PRESENT,
        id: before.id,
        user: { name: 'Before' },
        resumeToken: '',
      })
      t.match(await next(), { kind: SYNCED, id: 0n })
      const { id } = await client.createUser({ name: 'Ada', email: 'ada@example.org' })
      const created = await next()
      t.match(created, { kind: CREATED, id, user: { email: 'ada@example.org' } })
      await client.updateUser({ id, user: { phone: '123' } })
      t.match(await next(), { kind: UPDATED, id, user: { name: 'Ada', phone: '123' } })
      await client.deleteUser({ id })
      const deleted = await next()
      t.match(deleted, { kind: DELETED, id, user: undefined })
      stop.abort()
      const resumeToken = created?.resumeToken ?? ''
      const resumed: Streaming<UserEvent> = (options) => client.watchUsers({ resumeToken }, options)
      t.match(await taken(resumed, 1), [{ kind: DELETED, id, resumeToken: deleted?.resumeToken }])
      await client.updateUser({ id: before.id, user: { phone: '456' } })
      const some: Streaming<UserEvent> = (options) =>
        client.watchUsers({ resumeToken, ids: [before.id] }, options)
      t.match(await taken(some, 1), [{ kind: UPDATED, id: before.id }])
    },
  )

  overEach(storage, 'a watch that cannot begin says why', async (t, client, { db }) => {
    const watched = (request: Parameters<Client['watchUsers']>[0]) =>
      reasonOf(taken((options) => client.watchUsers(request, options), 1))
    t.equal(await watched({ resumeToken: 'x' }), 'InvalidArgument INVALID_USER_INPUT')
    t.equal(await watched({ ids: [0n] }), 'InvalidArgument INVALID_USER_INPUT')
    const [synced] = await taken((options) => client.watchUsers({ snapshot: true }, options), 1)
    await db.use(new AbortController().signal, async ({ userChanges }) => {
      await userChanges.insert([{ id: 1n, kind: 'updated' }])
      await userChanges.removeBefore(2n)
    })
    t.equal(
      await watched({ resumeToken: synced?.resumeToken ?? '' }),
      'FailedPrecondition RESUME_TOKEN_EXPIRED',
    )
  })

  overEach(storage, 'an export has every user, as NDJSON and as CSV', async (t, client) => {
    const users = [
      { name: 'Ada "the first", Lovelace', email: 'ada@example.org', phone: '+49 30' },
      { name: '=1+1', email: 'formula@example.org', phone: '' },
    ]
    for (const user of users) await client.createUser(user)
    async function exported(format: string): Promise<[type: string | undefined, text: string]> {
      const chunks = await taken((options) => client.exportUsers({ format }, options))
      return [chunks[0]?.contentType, Buffer.concat(chunks.map(({ data }) => data)).toString()]
    }
    const [type, text] = await exported('')
    t.equal(type, 'application/x-ndjson')
    t.match(
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
      users.map((user, at) => ({ ...user, id: String(at + 1) })),
    )
    const [csvType, csv] = await exported('csv')
    t.equal(csvType, 'text/csv; charset=utf-8')
    t.match(csv.split('\r\n'), [
      'id,name,email,phone,created_at',
      /^1,"Ada ""the first"", Lovelace",ada@example\.org,'\+49 30,\d{4}-.*Z$/,
      /^2,'=1\+1,formula@example\.org,,/,
      '',
    ])
    t.match(await exported('csv').then(([, all]) => all), /^id/)
    t.equal(await reasonOf(exported('xml')), 'InvalidArgument INVALID_USER_INPUT')
    const rest = await taken((options) => client.exportUsers({ after: 2n }, options))
    t.match(
      rest.map(({ data }) => data.length),
      [0],
    )
  })

  importAndSync(storage)
}

function importAndSync(storage: Storage): void {
  const clientStreams = (
    title: string,
    run: (t: Test, client: Client, app: RunningApp) => Promise<void>,
  ) =>
    overEach(storage, title, async (t, client, app) => {
      // Over gRPC-Web a client of this library streams nothing to the server.
      if (!t.name.includes('gRPC-Web')) await run(t, client, app)
    })

  clientStreams('an import creates, updates, and leaves out what is wrong', async (t, client) => {
    const { id } = await client.createUser({ name: 'Old', email: 'old@example.org', phone: '123' })
    const rows: Partial<ImportUsersRequest>[] = [
      ...Array.from({ length: 450 }, (_, at) => ({
        user: { name: ` N ${at} `, email: `Import-${at}@Example.org` },
      })),
      { user: { email: 'old@example.org', name: 'New' } },
      { user: { email: 'nobody@example.org' } },
      { user: { name: 'X', email: 'not an address' } },
      { user: { name: 'lone \0', email: 'zero@example.org' } },
      {},
      { user: { email: 'import-3@example.org', phone: '999' } },
    ] as never
    const reply = await client.importUsers(stream(rows as never[]))
    t.match(reply, { created: 450n, updated: 2n, failed: 4n })
    t.strictSame(
      reply.failures.map(({ line, reason, metadata }) => [line, reason, Object.keys(metadata)]),
      [
        [452n, 'INVALID_USER_INPUT', ['user.name']],
        [453n, 'INVALID_USER_INPUT', ['user.email']],
        [454n, 'INVALID_USER_INPUT', ['user.name']],
        [455n, 'INVALID_USER_INPUT', ['user']],
      ],
    )
    t.match(await client.getUser({ id }), { name: 'New', phone: '123' })
    const again = await client.importUsers(stream(rows as never[]))
    t.match(again, { created: 0n, updated: 452n, failed: 4n }, 'the same rows may come again')
    t.match(await client.listUsers({}), { total: 451 })
  })

  clientStreams('writes of a stream have replies, and errors of their own', async (t, client) => {
    const first = await client.createUser({ name: 'First', email: 'first@example.org' })
    const requests = [
      { requestId: 'a', change: { case: 'create', value: { name: 'A', email: 'a@example.org' } } },
      { requestId: 'b', change: { case: 'update', value: { id: first.id, user: { name: 'B' } } } },
      { requestId: 'c', change: { case: 'delete', value: 4711n } },
      { requestId: 'd', change: { case: 'create', value: { name: '', email: 'd@example.org' } } },
      {
        requestId: 'e',
        change: { case: 'create', value: { name: 'E', email: 'first@example.org' } },
      },
      { requestId: 'f', change: { case: undefined } },
    ]
    const replies = await taken((options) => client.syncUsers(stream(requests as never[]), options))
    const outcome = Object.fromEntries(
      replies.map(({ requestId, id, error }) => {
        const details = error?.details.map((any) => anyUnpack(any, ErrorInfoSchema)?.reason)
        return [requestId, error ? `${Code[error.code]} ${details?.[0]}` : id > 0n]
      }),
    )
    t.strictSame(
      { ...outcome },
      {
        a: true,
        b: true,
        c: 'NotFound USER_NOT_FOUND',
        d: 'InvalidArgument INVALID_USER_INPUT',
        e: 'AlreadyExists USER_ALREADY_EXISTS',
        f: 'InvalidArgument INVALID_USER_INPUT',
      },
    )
    t.match(await client.getUser({ id: first.id }), { name: 'B' })
  })
}
