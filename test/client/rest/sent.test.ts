import type { DescMethodUnary } from '@bufbuild/protobuf'
import { createClient, type Interceptor } from '@connectrpc/connect'
import { text } from 'node:stream/consumers'
import { test, type Test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { compileSchema } from '../../rest/schema.ts'
import { answering, type Dialect, peer, transportTo, usersAt } from './peer.ts'

interface Received {
  line: string
  headers: Record<string, string | string[] | undefined>
  body: string
}

/** A client of users, and what its peer receives. */
async function recorded(t: Test, dialect: Dialect, interceptors: Interceptor[] = []) {
  const received: Received[] = []
  const { url } = await peer(t, async (request, response) => {
    const { method, url: target, headers } = request
    received.push({ line: `${method} ${target}`, headers, body: await text(request) })
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  const users = createClient(User, transportTo(t, url, { dialect, interceptors }))
  return { users, received, url }
}

for (const [dialect, type] of [
  ['kratos2', 'application/json'],
  ['kratos3', 'application/protojson'],
] as const) {
  test(`a call of ${dialect} asks for ${type}, and names it for a body only`, async (t) => {
    const { users, received } = await recorded(t, dialect)
    await users.getUser({ id: 1n })
    await users.createUser({ name: 'Ada' })
    t.match(received[0], { line: 'GET /v1/users/1', headers: { accept: type } })
    t.equal(received[0]?.headers['content-type'], undefined)
    t.match(received[1], {
      line: 'POST /v1/users',
      headers: { accept: type, 'content-type': type },
    })
    t.equal(received[1]?.body, '{"name":"Ada"}')
  })

  test(`a body whose field is not set is sent empty with its type, which ${dialect} demands`, async (t) => {
    const { users, received } = await recorded(t, dialect)
    await users.updateUser({ id: 1n })
    const headers = { 'content-type': type, 'content-length': '0' }
    t.match(received[0], { line: 'PATCH /v1/users/1', headers, body: '' })
  })
}

test('the headers of the caller are sent, but for those of the connection and the body', async (t) => {
  const { users, received } = await recorded(t, 'kratos2')
  const headers = { 'x-md-global-a': '1', 'if-match': '"x"', te: 'trailers', 'content-length': '9' }
  await users.deleteUser({ id: 1n }, { headers })
  const got = received[0]?.headers ?? {}
  t.match(got, { 'x-md-global-a': '1', 'if-match': '"x"' })
  t.equal(got.te, undefined)
  t.equal(got['content-length'], undefined)
})

test('a deadline is told in the headers of Connect and of Kratos; without one there is none', async (t) => {
  const { users, received } = await recorded(t, 'kratos2')
  await users.getUser({ id: 1n }, { timeoutMs: 59_999.5 })
  await users.getUser({ id: 1n })
  t.match(received[0]?.headers, { 'connect-timeout-ms': '59999', 'x-request-timeout-ms': '59999' })
  t.equal(received[1]?.headers['connect-timeout-ms'], undefined)
})

test('interceptors see the template, and what they change is sent', async (t) => {
  const seen: string[] = []
  const { users, received, url } = await recorded(t, 'kratos2', [
    (next) => (request) => {
      seen.push(`${request.requestMethod} ${request.url}`)
      request.header.set('x-b', '2')
      if (!request.stream) Object.assign(request.message, { id: 7n })
      return next(request)
    },
  ])
  await users.getUser({ id: 1n })
  t.strictSame(seen, [`GET ${url}/v1/users/{id}`])
  t.match(received[0], { line: 'GET /v1/users/7', headers: { 'x-b': '2' } })
})

test('a path of the base URL comes before that of the rule', async (t) => {
  const lines: (string | undefined)[] = []
  const { url } = await peer(t, (request, response) => {
    lines.push(request.url)
    answering(200, '{}')(request, response)
  })
  const users = createClient(User, transportTo(t, `${url}/gate/a/`))
  await users.listUsers({ page: 2 })
  t.strictSame(lines, ['/gate/a/v1/users?page=2'])
})

test('an answer that is a field of the reply fills that field', async (t) => {
  const bodies = ['[{"a":1}]', '[]', 'null']
  for (const body of bodies) {
    const { service } = compileSchema({
      messages: { Item: 'int32 a', Reply: 'repeated Item items; string other', Req: '' },
      methods: { Call: ['Req', 'Reply', { get: '/v1', response_body: 'items' }] },
    })
    const { url } = await peer(t, answering(200, body))
    const method = service.methods[0] as DescMethodUnary
    const transport = transportTo(t, url)
    const { message } = await transport.unary(method, undefined, undefined, undefined, {})
    t.match(message, { items: body.includes('a') ? [{ a: 1 }] : [] })
  }
})

test('an answer that is a field cannot name others', async (t) => {
  const { service } = compileSchema({
    messages: { Reply: 'string name; string other', Req: '' },
    methods: { Call: ['Req', 'Reply', { get: '/v1', response_body: 'name' }] },
  })
  const { url } = await peer(t, answering(200, '"a","other":"b"'))
  const method = service.methods[0] as DescMethodUnary
  const call = transportTo(t, url).unary(method, undefined, undefined, undefined, {})
  t.match(await t.rejects(call), { rawMessage: /cannot be read: it is not JSON/ })
})

for (const httpMethod of ['get', 'delete'] as const)
  test(`a body is sent with its length although the method is ${httpMethod}`, async (t) => {
    const seen: (string | undefined)[] = []
    const { service } = compileSchema({
      messages: { Req: 'string name', Reply: '' },
      methods: { Call: ['Req', 'Reply', { [httpMethod]: '/v1', body: '*' }] },
    })
    const { url } = await peer(t, async (request, response) => {
      seen.push(request.headers['content-length'], await text(request))
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
    const method = service.methods[0] as DescMethodUnary
    const transport = transportTo(t, url)
    for (const name of ['é', 'b'])
      await transport.unary(method, undefined, undefined, undefined, { name })
    t.strictSame(seen, ['13', '{"name":"é"}', '12', '{"name":"b"}'])
  })

test('calls that follow each other share a connection, failed ones too', async (t) => {
  const ports = new Set<number | undefined>()
  const users = await usersAt(t, (request, response) => {
    ports.add(request.socket.remotePort)
    const status = request.method === 'GET' ? 404 : 200
    answering(status, '{}')(request, response)
  })
  for (let left = 3; left > 0; left -= 1) {
    await users.createUser({ name: 'Ada' })
    await t.rejects(users.getUser({ id: 1n }))
  }
  t.equal(ports.size, 1)
})
