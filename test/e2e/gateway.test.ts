import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { durationFromMs } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { project, tool } from '../../scripts/tool.ts'
import { refusal } from '../../src/call/refusal.ts'
import { type ImportUsersRequest, User, UserEvent_Kind } from '../../src/gen/api/user/v1/user_pb.ts'
import {
  ErrorInfoSchema,
  HelpSchema,
  QuotaFailureSchema,
} from '../../src/gen/google/rpc/error_details_pb.ts'
import { caught } from '../client/callers.ts'
import { hop } from '../client/hop.ts'
import { answering, peer } from '../client/rest/peer.ts'
import { startApp } from '../help/app.ts'
import { type Passing, startGateway } from '../help/gateway.ts'
import { served, spanMemory, trees } from '../help/spans.ts'
import { until } from '../help/until.ts'

type Users = ReturnType<Parameters<typeof hop>[1]['users']>

/** A process with these handlers, and a gateway before it. */
async function behind(t: Test, users: Users, options: Partial<Passing> = {}) {
  const { grpc } = await hop(t, { users: () => users })
  const gateway = await startGateway(t, { target: `direct:///${grpc}`, ...options })
  return { gateway, client: clientTo(gateway.rpc.url) }
}

function clientTo(baseUrl: string) {
  return createClient(User, createGrpcTransport({ baseUrl }))
}

/** The descriptors of users, as buf writes them. */
function usersFile(t: Test): string {
  const file = join(t.testdir({}), 'users.binpb')
  const [node, buf] = tool('@bufbuild/buf', 'buf')
  const args = [buf, 'build', '--path', 'proto/api/user', '--output', file]
  t.equal(spawnSync(node, args, { cwd: project }).status, 0)
  return file
}

async function json(answer: Response | Promise<Response>) {
  const { status } = await answer
  return { status, body: (await (await answer).json()) as Record<string, unknown> }
}

/** Resolves when the signal of a handler aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  else signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}

test('services of another process have routes, documents and descriptors, and no database', async (t) => {
  const users = await startApp(t, { storage: 'sqlite' })
  const target = `http://127.0.0.1:${users.rpc.port}`
  const gateway = await startGateway(t, { target })
  t.notOk(existsSync(gateway.database), 'no database is opened')
  const { url } = gateway.rest
  const made = await json(
    fetch(`${url}/v1/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Ada', email: 'ada@example.org' }),
    }),
  )
  t.match(made, { status: 200, body: { name: 'Ada' } })
  const direct = await fetch(`${users.rest.url}/v1/users/1`)
  const passed = await fetch(`${url}/v1/users/1`)
  t.equal(await passed.text(), await direct.text())
  t.equal(passed.headers.get('etag'), direct.headers.get('etag'))
  const { body } = await json(fetch(`${url}/openapi.json`))
  t.match(JSON.stringify(body), /"REMOTE_UNAVAILABLE"/)
  t.equal((await fetch(`${url}/v1/orders/1`)).status, 404, 'orders are not listed')
  t.match(await json(fetch(`${url}/readyz`)), { status: 200 })
  t.match(await clientTo(gateway.rpc.url).getUser({ id: 1n }), { name: 'Ada' })
})

test('a file of buf build gives the descriptors, also where the target has no reflection', async (t) => {
  const file = usersFile(t)
  const users = await startApp(t, { storage: 'sqlite', env: { REFLECTION: 'false' } })
  const target = `direct:///127.0.0.1:${users.rpc.port}`
  const { rpc } = await startGateway(t, { target, descriptorFile: file, protocol: 'connect' })
  t.match(await clientTo(rpc.url).createUser({ name: 'A', email: 'a@example.org' }), { id: 1n })
  const overRest = { target: users.rest.url, descriptorFile: file, protocol: 'kratos3' }
  const old = clientTo((await startGateway(t, overRest)).rpc.url)
  t.match(await old.getUser({ id: 1n }), { name: 'A' })
  const error = ConnectError.from(await old.getUser({ id: 9n }).catch(caught))
  t.match(error, { code: Code.NotFound, rawMessage: 'there is no user 9' })
  t.match(error.findDetails(ErrorInfoSchema), [{ reason: 'USER_NOT_FOUND' }])
  await t.rejects(startGateway(t, { target }), {
    name: 'SettingError',
    setting: 'gateway.services["api.user.v1.User"].target',
    message: /has no gRPC reflection \(v1\); name a descriptor_file/,
  })
  const other = { target, descriptorFile: file, service: 'api.user.v1.Users' }
  await t.rejects(startGateway(t, other), {
    setting: 'gateway.services["api.user.v1.Users"].descriptor_file',
    message: /users\.binpb has api\.user\.v1\.User and not api\.user\.v1\.Users/,
  })
  const broken = { target, descriptorFile: join(project, 'package.json') }
  await t.rejects(startGateway(t, broken), { message: /package\.json / })
})

test('the start is refused when a service is nowhere', async (t) => {
  const { grpc } = await hop(t, { users: () => ({}) })
  await t.rejects(startGateway(t, { target: `direct:///${grpc}`, service: 'shop.v1.Cart' }), {
    setting: 'gateway.services["shop.v1.Cart"].target',
    message: /has not shop\.v1\.Cart/,
  })
  const timeouts = { '/api.user.v1.User/GetUsr': durationFromMs(1) }
  await t.rejects(startGateway(t, { target: `direct:///${grpc}`, timeouts }), {
    setting: 'server.operation_timeouts["/api.user.v1.User/GetUsr"]',
    message: /no such operation.* \/api\.user\.v1\.User\/GetUser/,
  })
  const nobody = `direct:///127.0.0.1:${await freePort()}`
  await t.rejects(startGateway(t, { target: nobody, startTimeoutMs: 1000 }), {
    message: /has not answered within 1s: .*ECONNREFUSED/,
  })
})

test('a target that is not there yet is asked again', async (t) => {
  const port = await freePort()
  const starting = startGateway(t, { target: `direct:///127.0.0.1:${port}` })
  await hop(t, { users: () => ({}), env: { GRPC_ADDR: `127.0.0.1:${port}` } })
  t.ok((await starting).rpc.port)
})

test('metadata and trailers pass both ways, but for those of each connection', async (t) => {
  const seen: Headers[] = []
  const { gateway } = await behind(t, {
    getUser({ id }, { requestHeader, responseHeader, responseTrailer }) {
      seen.push(requestHeader)
      responseHeader.set('x-answer', 'yes')
      responseHeader.set('server', 'inner')
      responseTrailer.set('x-end', 'done')
      return { id }
    },
  })
  const headers = { 'x-tenant': '7', authorization: 'Bearer a', 'x-blob-bin': 'AQI', 'te-x': '1' }
  const own = { 'x-md-service-name': 'page', 'user-agent': 'page/1', 'accept-language': 'de' }
  const answer = await fetch(`${gateway.rest.url}/v1/users/3`, { headers: { ...headers, ...own } })
  t.equal(answer.status, 200)
  t.match(Object.fromEntries(seen[0] ?? []), { ...headers, 'x-md-service-name': 'user-service' })
  t.notMatch(seen[0]?.get('user-agent'), /page/)
  t.equal(seen[0]?.get('accept-language'), null)
  t.equal(answer.headers.get('x-answer'), 'yes')
  t.equal(answer.headers.get('server'), null)
  let trailer: Headers | undefined
  await clientTo(gateway.rpc.url).getUser({ id: 3n }, { onTrailer: (all) => (trailer = all) })
  t.equal(trailer?.get('x-end'), 'done')
})

test('an error passes with its code, message, metadata and all details', async (t) => {
  const { gateway, client } = await behind(t, {
    getUser() {
      const headers = { 'x-why': 'quota' }
      const text = 'no more users'
      const error = refusal(Code.ResourceExhausted, 'OVERLOADED', text, { headers })
      const links = [{ description: 'limits', url: 'https://example.org' }]
      error.details.push({ desc: HelpSchema, value: { links } })
      const violations = [{ subject: 'tenant:7', description: 'full' }]
      error.details.push({ desc: QuotaFailureSchema, value: { violations } })
      throw error
    },
    deleteUser() {
      throw refusal(Code.FailedPrecondition, 'RESUME_TOKEN_EXPIRED', 'gone')
    },
    updateUser() {
      throw new Error('secret')
    },
  })
  const error = await client.getUser({ id: 1n }).catch(caught)
  t.match(error, { code: Code.ResourceExhausted, rawMessage: 'no more users' })
  const details = 'details' in error ? error : new ConnectError('it succeeded')
  t.match(details.findDetails(ErrorInfoSchema), [{ reason: 'OVERLOADED' }])
  t.match(details.findDetails(HelpSchema), [{ links: [{ description: 'limits' }] }])
  t.match(details.findDetails(QuotaFailureSchema), [{ violations: [{ subject: 'tenant:7' }] }])
  t.equal(details.metadata.get('x-why'), 'quota')
  const { url } = gateway.rpc
  const asked = await fetch(`${url}/api.user.v1.User/GetUser`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"id":1}',
  })
  t.match(await json(asked), { status: 503, body: { message: 'no more users' } })
  const overRest = await json(fetch(`${gateway.rest.url}/v1/users/1`))
  t.match(overRest, { status: 503, body: { reason: 'OVERLOADED' } }, 'as from the service itself')
  const answer = await fetch(`${gateway.rest.url}/openapi.json`)
  t.equal(answer.status, 200)
  const inner = await client.updateUser({ id: 1n, user: { name: 'A' } }).catch(caught)
  t.match(inner, { code: Code.Internal, rawMessage: 'internal error' })
})

test('a remote that is gone is 503 with a reason, and the answer names no address', async (t) => {
  const port = await freePort()
  const back = await startApp(t, { storage: 'sqlite', env: { GRPC_ADDR: `127.0.0.1:${port}` } })
  const gateway = await startGateway(t, { target: `direct:///127.0.0.1:${port}` })
  const url = `${gateway.rest.url}/v1/users/1`
  t.equal((await fetch(url)).status, 404)
  await back.close()
  const { status, body } = await json(fetch(url))
  t.match(
    { status, ...body },
    {
      status: 503,
      reason: 'REMOTE_UNAVAILABLE',
      message: 'api.user.v1.User cannot be reached',
    },
  )
  const lines = gateway.log().map((line) => JSON.stringify(line))
  t.ok(lines.some((line) => line.includes('ECONNREFUSED') || line.includes(String(port))))
  const events = await fetch(`${gateway.rest.url}/v1/users:export`)
  t.match(await json(events), { status: 503, body: { reason: 'REMOTE_UNAVAILABLE' } })
})

test('what is no answer of a remote over REST is 500, and the answer names no address', async (t) => {
  const pages = [
    answering(302, '', { location: 'http://10.0.0.9/inside' }),
    answering(404, '<h1>nothing here</h1>', { 'content-type': 'text/html' }),
    answering(200, '<h1>welcome</h1>', { 'content-type': 'text/html' }),
    answering(200, `{"name":"${'a'.repeat(2 ** 22)}"}`),
  ]
  let page = 0
  const { url } = await peer(t, (request, response) => pages[page]?.(request, response))
  const remote = { target: url, descriptorFile: usersFile(t), protocol: 'kratos3' }
  const gateway = await startGateway(t, remote)
  for (; page < pages.length; page += 1) {
    const answer = await fetch(`${gateway.rest.url}/v1/users/1`, { redirect: 'manual' })
    t.equal(answer.headers.get('location'), null)
    const { status, body } = await json(answer)
    t.match({ status, ...body }, { status: 500, reason: 'INTERNAL', message: 'internal error' })
  }
  t.match(JSON.stringify(gateway.log()), url, 'the log names it')
})

test('a stream may be given more time than a header of gRPC can say', async (t) => {
  const { gateway } = await behind(t, {
    async *watchUsers(_request, { timeoutMs }) {
      yield { resumeToken: String(timeoutMs()) }
    },
  })
  for (const seconds of ['200000', '9999999999']) {
    const headers = { accept: 'application/x-ndjson', 'x-server-timeout': seconds }
    const answer = await fetch(`${gateway.rest.url}/v1/users:watch`, { headers })
    t.match(await answer.text(), /"resumeToken":"9999\d{4}/)
  }
})

test('a slow remote is 504, and the deadline ends its call, too', async (t) => {
  const ends: Promise<void>[] = []
  const times: (number | undefined)[] = []
  const users: Users = {
    async getUser(_request, { signal, timeoutMs }) {
      times.push(timeoutMs())
      ends.push(aborted(signal))
      await ends.at(-1)
      return {}
    },
  }
  const { gateway, client } = await behind(t, users, { timeoutMs: 600 })
  const slow = await json(fetch(`${gateway.rest.url}/v1/users/1`))
  t.match(slow, { status: 504, body: { reason: 'DEADLINE_EXCEEDED' } })
  const options = { timeoutMs: 500 }
  const late = await client.getUser({ id: 1n }, options).catch(caught)
  t.equal('code' in late && late.code, Code.DeadlineExceeded)
  t.equal(ends.length, 2)
  await Promise.all(ends)
  t.ok(
    times.every((ms) => ms !== undefined && ms <= 600),
    'the remaining time is passed on',
  )
})

test('a caller that goes away ends the call of the remote', async (t) => {
  const begun = Promise.withResolvers<AbortSignal>()
  const { client } = await behind(t, {
    async getUser(_request, { signal }) {
      begun.resolve(signal)
      await aborted(signal)
      return {}
    },
  })
  const stop = new AbortController()
  const call = client.getUser({ id: 1n }, { signal: stop.signal }).catch(caught)
  const signal = await begun.promise
  stop.abort()
  await aborted(signal)
  t.match(await call, { code: Code.Canceled })
})

test('streams of users pass: watch, export, import and synchronisation', async (t) => {
  const users = await startApp(t, { storage: 'sqlite', env: { WATCH_POLL: '0.05s' } })
  const gateway = await startGateway(t, { target: `direct:///127.0.0.1:${users.rpc.port}` })
  const { url } = gateway.rest
  const stop = new AbortController()
  const headers = { accept: 'text/event-stream' }
  const watch = await fetch(`${url}/v1/users:watch?snapshot=true`, {
    headers,
    signal: stop.signal,
  })
  const imported = await fetch(`${url}/v1/users:import`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: '{"user":{"name":"B","email":"b@example.com"}}\n{"user":{"email":"c"}}',
  })
  t.match(await json(imported), { status: 200, body: { created: '1' } })
  let text = ''
  for await (const chunk of watch.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk
    if (text.includes('b@example.com')) break
  }
  stop.abort()
  t.match(text, /\nid: \S+\ndata: .*b@example\.com/)
  const csv = await fetch(`${url}/v1/users:export?format=csv`)
  t.match(await csv.text(), /b@example\.com/)
  const broken = await fetch(`${url}/v1/users:import`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: '{"user":{"name":"D","email":"d@example.com"}}\n{',
  })
  t.match(await json(broken), { status: 400, body: { reason: 'MALFORMED_BODY' } })
  const client = clientTo(gateway.rpc.url)
  const replies = []
  async function* requests() {
    yield { action: { case: 'create' as const, value: { name: 'S', email: 's@example.com' } } }
  }
  for await (const reply of client.syncUsers(requests() as never)) replies.push(reply)
  t.equal(replies.length, 1)
  const [, token = ''] = /^id: (\S+)$/m.exec(text) ?? []
  const others = await startApp(t, { storage: 'sqlite' })
  const { rest, rpc } = await startGateway(t, { target: `direct:///127.0.0.1:${others.rpc.port}` })
  const resumed = fetch(`${rest.url}/v1/users:watch`, {
    headers: { ...headers, 'last-event-id': token },
  })
  const expired = { code: 410, reason: 'RESUME_TOKEN_EXPIRED' }
  t.match(await json(resumed), { status: 410, body: expired }, 'a token of another database')
  const events = clientTo(rpc.url).watchUsers({ resumeToken: token })[Symbol.asyncIterator]()
  t.match(await events.next().catch(caught), { code: Code.FailedPrecondition })
})

test('a reader that stops holds the remote back, and ends its stream by leaving', async (t) => {
  let sent = 0
  const ended = Promise.withResolvers<void>()
  const phone = '1'.repeat(16_000)
  const { gateway, client } = await behind(t, {
    async *watchUsers(_request, { signal }) {
      try {
        for (; !signal.aborted; sent += 1)
          yield { kind: UserEvent_Kind.CREATED, id: BigInt(sent + 1), user: { phone } }
      } finally {
        ended.resolve()
      }
    },
    async importUsers(messages) {
      const all: ImportUsersRequest[] = []
      for await (const message of messages) all.push(message)
      return { created: BigInt(all.length) }
    },
  })
  t.ok(gateway.rpc.port)
  const stop = new AbortController()
  const events = client.watchUsers({}, { signal: stop.signal })[Symbol.asyncIterator]()
  t.match((await events.next()).value, { id: 1n })
  let before = -1
  await until('the remote waits', () => {
    const isStill = before === sent
    before = sent
    return isStill
  })
  t.ok(sent < 2000, `${sent} messages of 16 kB are on their way`)
  stop.abort()
  await ended.promise
})

test('one trace goes through the gateway, and its spans have the names of the remote', async (t) => {
  const memory = spanMemory()
  const { grpc } = await hop(t, { users: () => ({ getUser: ({ id }) => ({ id }) }) })
  const { rest } = await startGateway(t, { target: `direct:///${grpc}`, spans: memory.exporter })
  const spans = await memory.of(() => fetch(`${rest.url}/v1/users/1`), served(1))
  t.match(trees(spans), [
    /^SERVER GET \/v1\/users\/\{id\}\n {2}CLIENT api\.user\.v1\.User\/GetUser/,
  ])
})
