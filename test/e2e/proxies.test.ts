import { once } from 'node:events'
import http from 'node:http'
import { text } from 'node:stream/consumers'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import { findProgram } from '../../scripts/program.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { Health, HealthCheckResponse_ServingStatus } from '../../src/gen/health/v1/health_pb.ts'
import { startApp } from '../help/app.ts'
import { envoyBefore } from '../help/envoy.ts'
import { balancer } from '../help/haproxy.ts'
import { nginxBefore } from '../help/nginx.ts'

const programs = {
  nginx: findProgram('nginx'),
  haproxy: findProgram('haproxy'),
  // Not a package of Debian: `npm run verify -- envoy` brings it.
  envoy: process.env.ENVOY,
}
type Proxy = keyof typeof programs
const needs = (name: Proxy) => ({
  skip: programs[name] === undefined ? `needs ${name}, which Debian has as a package` : false,
})
const proxies: readonly Proxy[] = [
  'nginx',
  'haproxy',
  ...(programs.envoy ? ['envoy' as const] : []),
]

/** The service, by the ports of a proxy before it and what it has logged. */
async function behind(t: Test, proxy: Proxy) {
  const app = await startApp(t, { storage: 'sqlite' })
  const backend = { http: app.rest.port, grpc: app.rpc.port }
  if (proxy === 'nginx') {
    const { rest, unset, rpc } = await nginxBefore(t, programs.nginx ?? '', backend)
    return {
      app,
      rpc,
      rest: { 'with connections that are kept': rest, 'with its defaults': unset },
    }
  }
  const { rest, restOverHttp2, rpc } =
    proxy === 'envoy'
      ? await envoyBefore(t, programs.envoy ?? '', backend)
      : await balancer(t, programs.haproxy ?? '', [backend])
  return { app, rpc, rest: { 'over HTTP/1.1': rest, 'over HTTP/2': restOverHttp2 } }
}

let made = 0
const newUser = () => ({ name: 'Ada', email: `ada-${(made += 1)}@example.org` })
const json = { 'content-type': 'application/json' }

function post(url: string, body: string, headers: Record<string, string> = json) {
  return fetch(`${url}/v1/users`, { method: 'POST', body, headers })
}

/** Sends the body once it is asked for. */
async function whenAsked(agent: http.Agent, url: string, body: string) {
  const headers = { ...json, expect: '100-continue', 'content-length': body.length }
  const request = http.request(`${url}/v1/users`, { agent, method: 'POST', headers })
  request.once('continue', () => request.end(body))
  request.flushHeaders()
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  return { status: response.statusCode, body: await text(response) }
}

async function restCalls(t: Test, url: string): Promise<void> {
  const created = await post(url, JSON.stringify(newUser()))
  const { id } = (await created.json()) as { id: string }
  t.equal(created.status, 200)
  const found = await fetch(`${url}/v1/users/${id}`)
  t.match(await found.json(), { id })
  const fresh = { headers: { 'if-none-match': found.headers.get('etag') ?? '' } }
  t.equal((await fetch(`${url}/v1/users/${id}`, fresh)).status, 304)

  const missing = await fetch(`${url}/v1/users/999`)
  t.equal(missing.status, 404)
  t.match(await missing.json(), { reason: 'USER_NOT_FOUND' }, 'an error keeps its body')
  const escaped = await fetch(`${url}/v1/users/a%2Fb`)
  t.match(
    await escaped.json(),
    { code: 400, reason: 'INVALID_PARAMETER' },
    'and a path its escapes',
  )
  const refused = await post(url, 'x', { 'content-type': 'text/plain' })
  t.match(await refused.json(), { code: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' })
  const large = await post(url, JSON.stringify({ name: 'x'.repeat(3_000_000) }))
  t.equal(large.status, 413)
  t.match(await large.json(), { code: 413, reason: 'BODY_TOO_LARGE' })
  t.equal((await fetch(`${url}/v1/users/${id}`)).status, 200, 'the next call is answered')

  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const asked = await whenAsked(agent, url, JSON.stringify(newUser()))
  t.equal(asked.status, 200, 'a body that waits for 100 Continue is sent')
  t.equal((await whenAsked(agent, url, '{}')).status, 400)
}

function grpcClients(t: Test, url: string) {
  const sessionManager = new Http2SessionManager(url)
  t.teardown(() => sessionManager.abort())
  const transport = createGrpcTransport({ baseUrl: url, sessionManager })
  return { users: createClient(User, transport), health: createClient(Health, transport) }
}

async function grpcCalls(t: Test, url: string): Promise<void> {
  const { users } = grpcClients(t, url)
  const { id } = await users.createUser(newUser())
  t.equal((await users.getUser({ id })).id, id)
  const failed = async (call: Promise<unknown>) =>
    ConnectError.from(
      await call.then(
        () => undefined,
        (err: unknown) => err,
      ),
    )
  const missing = await failed(users.getUser({ id: 999n }))
  t.equal(missing.code, Code.NotFound)
  const [info] = missing.findDetails(ErrorInfoSchema)
  t.equal(info?.reason, 'USER_NOT_FOUND', 'an error keeps its trailers')
  const large = await failed(users.createUser({ name: 'x'.repeat(3_000_000) }))
  t.equal(large.code, Code.ResourceExhausted, large.message)
  t.equal((await users.getUser({ id })).id, id, 'the next call is answered')
}

async function healthStream(t: Test, url: string, close: () => Promise<void>): Promise<void> {
  const watch = grpcClients(t, url).health.watch({ service: '' })[Symbol.asyncIterator]()
  const { value } = (await watch.next()) as { value: { status: number } }
  t.equal(value.status, HealthCheckResponse_ServingStatus.SERVING, 'a message at once')
  const [next] = await Promise.all([watch.next(), close()])
  t.match(next.value, { status: HealthCheckResponse_ServingStatus.NOT_SERVING }, 'and at a change')
  const end = ConnectError.from(
    await watch.next().then(
      () => undefined,
      (err: unknown) => err,
    ),
  )
  t.equal(end.findDetails(ErrorInfoSchema)[0]?.reason, 'SHUTTING_DOWN', 'and the reason of its end')
}

for (const proxy of proxies) {
  test(`REST through ${proxy}`, needs(proxy), async (t) => {
    const { app, rest } = await behind(t, proxy)
    for (const [title, url] of Object.entries(rest))
      await t.test(title, (sub) => restCalls(sub, url))
    t.strictSame(
      app.log().filter(({ level }) => level === 'error'),
      [],
    )
  })

  test(`gRPC through ${proxy}`, needs(proxy), async (t) => {
    const { app, rpc } = await behind(t, proxy)
    await grpcCalls(t, rpc)
    await healthStream(t, rpc, app.close)
  })
}
