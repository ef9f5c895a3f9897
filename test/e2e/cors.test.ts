import { test, type Test } from 'tap'
import { type RunningApp, startApp } from '../help/app.ts'
import { freshSqlitePath } from '../help/db.ts'
import { spawnService } from '../help/process.ts'

const origin = 'https://app.example.org'
const stranger = 'https://evil.example.org'
const rpcPath = '/api.user.v1.User/ListUsers'
const json = { 'content-type': 'application/json' }

function start(t: Test, origins: string, options: { maxConcurrentCalls?: number } = {}) {
  return startApp(t, { storage: 'sqlite', env: { CORS_ORIGINS: origins }, ...options })
}

/** The answers of both ports to a list. */
function lists({ rest, rpc }: RunningApp, headers: Record<string, string>) {
  return Promise.all([
    fetch(`${rest.url}/v1/users`, { headers }),
    fetch(`${rpc.url}${rpcPath}`, { method: 'POST', headers: { ...json, ...headers }, body: '{}' }),
  ])
}

function preflight(url: string, method: string, from = origin): Promise<Response> {
  return fetch(url, {
    method: 'OPTIONS',
    headers: {
      origin: from,
      'access-control-request-method': method,
      'access-control-request-headers': 'content-type,connect-protocol-version',
    },
  })
}

test('without origins no answer allows any', async (t) => {
  for (const { headers, status } of await lists(await start(t, ''), { origin })) {
    t.equal(status, 200)
    t.equal(headers.get('access-control-allow-origin'), null)
    t.notMatch(headers.get('vary') ?? '', /origin/i)
  }
})

test('a page of an allowed origin may call both ports and read refusals', async (t) => {
  const { rest, rpc } = await start(t, `${origin}, https://other.example.org`)
  const post = { method: 'POST', headers: { origin, ...json } }
  const answers: [status: number, answer: Promise<Response>][] = [
    [200, fetch(`${rest.url}/v1/users`, { headers: { origin } })],
    [404, fetch(`${rest.url}/v1/users/9`, { headers: { origin } })],
    [404, fetch(`${rest.url}/nowhere`, { headers: { origin } })],
    [405, fetch(`${rest.url}/v1/users/9`, { method: 'PUT', headers: { origin } })],
    [400, fetch(`${rest.url}/v1/users`, { ...post, body: '{' })],
    [400, fetch(`${rest.url}/v1/users/%ZZ`, { headers: { origin } })],
    [413, fetch(`${rest.url}/v1/users`, { ...post, body: ' '.repeat(1048577) })],
    [200, fetch(`${rpc.url}${rpcPath}`, { ...post, body: '{}' })],
    [400, fetch(`${rpc.url}${rpcPath}`, { ...post, body: '{' })],
    [404, fetch(`${rpc.url}/nowhere`, { ...post, body: '{}' })],
    [400, fetch(`${rpc.url}/%ZZ`, { headers: { origin } })],
    [405, fetch(`${rpc.url}${rpcPath}`, { method: 'PUT', headers: { origin } })],
    [415, fetch(`${rpc.url}${rpcPath}`, { method: 'POST', headers: { origin }, body: '{}' })],
  ]
  for (const [status, answer] of answers) {
    const { headers, status: got, url } = await answer
    t.equal(got, status, url)
    t.equal(headers.get('access-control-allow-origin'), origin, url)
    t.match(headers.get('vary'), /^Origin\b/, url)
    t.match(headers.get('access-control-expose-headers'), /grpc-status.*Allow.*Retry-After/i, url)
  }
})

test('a page can read that the server is overloaded, over each protocol', async (t) => {
  const { rest, rpc } = await start(t, origin, { maxConcurrentCalls: 0 })
  for (const [url, type, status] of [
    [`${rest.url}/v1/users`, 'application/json', 503],
    [`${rpc.url}${rpcPath}`, 'application/json', 503],
    [`${rpc.url}${rpcPath}`, 'application/grpc-web+proto', 200],
  ] as const) {
    t.equal((await preflight(url, 'POST')).status, 204, 'what is only asked costs no call')
    const headers = { origin, 'content-type': type }
    const answer = await fetch(url, { method: 'POST', headers, body: '{}' })
    t.equal(answer.status, status)
    t.equal(answer.headers.get('access-control-allow-origin'), origin)
    t.equal(answer.headers.get('retry-after'), '1')
    t.equal(answer.headers.get('grpc-status'), status === 200 ? '8' : null)
  }
})

test('a preflight says which methods and headers a page may use, and for how long', async (t) => {
  const { rest, rpc } = await start(t, origin)
  for (const [url, method] of [
    [`${rest.url}/v1/users/1`, 'PATCH'],
    [`${rest.url}/nowhere`, 'DELETE'],
    [`${rpc.url}${rpcPath}`, 'POST'],
    [`${rpc.url}/nowhere`, 'POST'],
  ] as const) {
    const { status, headers } = await preflight(url, method)
    t.equal(status, 204, url)
    t.equal(headers.get('access-control-allow-origin'), origin)
    t.match(headers.get('access-control-allow-methods'), method)
    t.match(headers.get('access-control-allow-headers'), /connect-protocol-version/i)
    t.match(headers.get('access-control-allow-headers'), /x-grpc-web/i)
    t.match(headers.get('access-control-allow-headers'), /x-server-timeout/i)
    t.equal(headers.get('access-control-max-age'), '7200')
    t.equal(headers.get('vary'), 'Origin')
    t.equal(headers.get('content-length'), null)
  }
})

test('a page of another origin is allowed nothing, and no cache may give it the answer of one that is', async (t) => {
  const app = await start(t, origin)
  const answers = [
    ...(await lists(app, { origin: stranger })),
    // What no page sends, so that its answer is the one that a cache has.
    ...(await lists(app, {})),
    await preflight(`${app.rest.url}/v1/users`, 'POST', stranger),
    await preflight(`${app.rpc.url}${rpcPath}`, 'POST', stranger),
  ]
  for (const { headers, url } of answers) {
    t.notMatch([...headers.keys()].join(), /access-control/, url)
    t.match(headers.get('vary'), /^Origin\b/, url)
  }
})

test('with * any page may call, and answers are the same for all', async (t) => {
  const app = await start(t, '*')
  const answers = [...(await lists(app, { origin: stranger })), ...(await lists(app, {}))]
  for (const { headers } of answers) {
    t.equal(headers.get('access-control-allow-origin'), '*')
    t.notMatch(headers.get('vary') ?? '', /origin/i)
  }
  const { status, headers } = await preflight(`${app.rest.url}/v1/users`, 'POST', stranger)
  t.equal(status, 204)
  t.equal(headers.get('access-control-allow-origin'), '*')
})

test('an OPTIONS that is no preflight is answered as ever', async (t) => {
  const { rest, rpc } = await start(t, origin)
  const options = { method: 'OPTIONS', headers: { origin } }
  const plain = await fetch(`${rest.url}/v1/users`, options)
  t.equal(plain.status, 204)
  t.equal(plain.headers.get('allow'), 'GET, HEAD, OPTIONS, POST')
  const call = await fetch(`${rpc.url}${rpcPath}`, options)
  t.equal(call.status, 405)
  t.equal(call.headers.get('allow'), 'GET, POST')
})

test('JSON that calls itself a form is read from tools, and not from pages, which need no leave to send it', async (t) => {
  const { rpc } = await start(t, origin)
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  async function statusOf(headers: Record<string, string>): Promise<number> {
    const init = { method: 'POST', headers: { ...form, ...headers }, body: '{}' }
    const { status } = await fetch(`${rpc.url}${rpcPath}`, init)
    return status
  }
  t.equal(await statusOf({}), 200)
  t.equal(await statusOf({ origin: stranger }), 415)
  t.equal(await statusOf({ origin: 'null' }), 415)
  t.equal(await statusOf({ 'sec-fetch-site': 'cross-site' }), 415)
})

test('what no browser sends as its origin stops the start', async (t) => {
  const { exit, stderr } = spawnService(t, {
    CORS_ORIGINS: `${origin}/`,
    SQLITE_PATH: freshSqlitePath(t),
  })
  t.equal(await exit, 1)
  t.match(stderr().trim(), /"https:\/\/app.example.org\/".*sends https:\/\/app.example.org;/)
})

test('pages may send and read the headers that the settings name', async (t) => {
  const { rest, rpc } = await startApp(t, {
    storage: 'sqlite',
    env: {
      CORS_ORIGINS: origin,
      CORS_ALLOW_HEADERS: 'authorization, x-tenant',
      CORS_EXPOSE_HEADERS: 'x-quota',
      TRACING_RESPONSE_HEADER: 'x-trace-id',
    },
  })
  for (const [url, path] of [
    [rest.url, '/v1/users'],
    [rpc.url, rpcPath],
  ] as const) {
    const asked = await preflight(url + path, 'POST')
    const allowed = asked.headers.get('access-control-allow-headers') ?? ''
    for (const name of ['authorization', 'x-tenant', 'x-trace-priority'])
      t.ok(allowed.split(', ').includes(name), name)
    const answer = await fetch(url + path, { headers: { origin } })
    const exposed = answer.headers.get('access-control-expose-headers') ?? ''
    for (const name of ['x-quota', 'x-trace-id']) t.ok(exposed.split(', ').includes(name), name)
  }
})
