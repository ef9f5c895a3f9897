import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { credentials, loadPackageDefinition, status, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { type RunningApp, startApp, type Storage } from '../help/app.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const storages: Storage[] = ['sqlite', 'mysql']

type Call = (request: object) => Promise<Record<string, unknown>>

/** grpc-js with the definition that has neither annotations nor the fields that came later. */
function originalClient(
  t: Test,
  { rpc }: RunningApp,
): Record<'createUser' | 'getUser' | 'listUsers', Call> {
  const file = join(root, 'test/interop/original_user.proto')
  const definition = loadSync(file, { longs: String, defaults: true })
  const grpc = loadPackageDefinition(definition) as never as {
    api: { user: { v1: { User: new (target: string, creds: unknown) => never } } }
  }
  const client = new grpc.api.user.v1.User(
    `127.0.0.1:${rpc.port}`,
    credentials.createInsecure(),
  ) as {
    close: () => void
  } & Record<
    string,
    (request: object, done: (err: ServiceError | null, reply: never) => void) => void
  >
  t.teardown(() => client.close())
  const call =
    (name: string): Call =>
    (request) =>
      new Promise((resolve, reject) => {
        client[name]?.(request, (err, reply) => (err ? reject(err) : resolve(reply)))
      })
  return { createUser: call('createUser'), getUser: call('getUser'), listUsers: call('listUsers') }
}

for (const storage of storages)
  test(`a client of the original definition works unchanged over gRPC and REST (${storage})`, async (t) => {
    const app = await startApp(t, { storage })
    const { createUser, getUser, listUsers } = originalClient(t, app)
    const ada = { name: 'Ada', email: 'ada@example.org', phone: '123' }
    const created = await createUser(ada)
    t.match(created, { name: 'Ada', email: 'ada@example.org' })
    const user = await getUser({ id: created.id })
    t.match(user, { ...ada, id: created.id, createdAt: /^\d{10}$/ })
    t.match(await listUsers({ page: 1, pageSize: 10 }), { total: 1, users: [{ id: created.id }] })
    const missing = (await t.rejects(getUser({ id: 99 }))) as ServiceError
    t.equal(missing.code, status.NOT_FOUND)

    const rest = await fetch(`${app.rest.url}/v1/users/${String(created.id)}`)
    const { etag, ...known } = (await rest.json()) as Record<string, unknown>
    t.strictSame(known, user)
    t.type(etag, 'string')
    const page = await fetch(`${app.rest.url}/v1/users?page=1&page_size=10`)
    t.match(await page.json(), { total: 1, users: [user] })
  })

test('buf curl creates, lists and reads errors in each protocol', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  async function buf(protocol: string, method: string, data: object): Promise<unknown> {
    const h2c = protocol === 'grpc' ? ['--http2-prior-knowledge'] : []
    const args = [
      'curl',
      '--schema',
      '.',
      '--protocol',
      protocol,
      ...h2c,
      '-d',
      JSON.stringify(data),
    ]
    const { stdout } = await run('buf', [...args, `${rpc.url}/api.user.v1.User/${method}`], {
      cwd: root,
    })
    return JSON.parse(stdout)
  }
  for (const protocol of ['grpc', 'grpcweb', 'connect']) {
    const email = `${protocol}@example.org`
    t.match(await buf(protocol, 'CreateUser', { name: 'Buf', email }), { email })
    const err = (await t.rejects(buf(protocol, 'CreateUser', { name: 'Buf', email }))) as {
      stderr?: string
    }
    t.match(err.stderr, /"code": *"already_exists"/)
    t.match(err.stderr, /google\.rpc\.ErrorInfo/)
  }
  t.match(await buf('connect', 'ListUsers', {}), { total: 3 })
})

test('buf curl needs no proto file, because the server describes itself', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const args = ['curl', '--protocol', 'grpc', '--http2-prior-knowledge']
  const { stdout: listed } = await run('buf', [...args, '--list-methods', rpc.url])
  t.match(listed.split('\n'), /api\.user\.v1\.User\/CreateUser/)
  const { stdout } = await run('buf', [
    ...args,
    '-d',
    '{}',
    `${rpc.url}/api.user.v1.User/ListUsers`,
  ])
  t.strictSame(JSON.parse(stdout), {})
})

const curlVersion = await run('curl', ['--version']).catch(() => undefined)
const curl = (...args: string[]) => run('curl', ['-sS', '-w', '%{http_version}', ...args])
const skip = curlVersion?.stdout.includes('HTTP2') ? false : 'no curl with HTTP/2'

test('curl works with its defaults, over both HTTP versions', { skip }, async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const target = `${rpc.url}/api.user.v1.User/ListUsers`
  t.equal((await curl('-d', '{}', target)).stdout, '{}1.1')
  t.equal((await curl('--http2-prior-knowledge', '-d', '{}', target)).stdout, '{}2')
  t.equal((await curl('-G', '-d', 'connect=v1&encoding=json&message={}', target)).stdout, '{}1.1')
})

for (const storage of storages)
  test(`of 200 creates of one address over all protocols one succeeds, 199 are 409 (${storage})`, async (t) => {
    // All at once are more than ten connections serve in the usual wait of 0.5 s.
    const patience = { DB_POOL_WAIT: '20s', TIMEOUT: '30s' }
    const { rest, rpc } = await startApp(t, { storage, env: patience })
    const user = { name: 'One', email: 'one@example.org' }
    const transports = [
      createGrpcTransport({ baseUrl: rpc.url }),
      createConnectTransport({ baseUrl: rpc.url, httpVersion: '1.1' }),
      createGrpcWebTransport({ baseUrl: rpc.url, httpVersion: '2' }),
    ].map((transport) => createClient(User, transport))
    async function overRest(): Promise<number> {
      const response = await fetch(`${rest.url}/v1/users`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(user),
      })
      await response.text()
      return response.status
    }
    async function overRpc(index: number): Promise<number> {
      try {
        await transports[index % 3]?.createUser(user)
        return 200
      } catch (err) {
        return ConnectError.from(err).code === Code.AlreadyExists ? 409 : 500
      }
    }
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        index % 4 === 3 ? overRest() : overRpc(index % 4),
      ),
    )
    t.equal(answers.filter((answer) => answer === 200).length, 1)
    t.equal(answers.filter((answer) => answer === 409).length, 199)
  })
