import { test } from 'tap'
import { freshSqlitePath } from '../help/db.ts'
import { startProcess } from '../help/process.ts'

const origin = 'https://app.example.org'
const rpcPath = '/api.user.v1.User/ListUsers'

test('without origins no answer allows any', async (t) => {
  const { rest, rpc } = await startProcess(t, { SQLITE_PATH: freshSqlitePath(t) })
  for (const url of [`${rest}/v1/users`, `${rpc}${rpcPath}`]) {
    const { headers } = await fetch(url, { headers: { origin } })
    t.equal(headers.get('access-control-allow-origin'), null)
  }
})

test('a page of an allowed origin may call both ports and read refusals', async (t) => {
  const { rest, rpc } = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    CORS_ORIGINS: `${origin}, https://other.example.org`,
  })
  const post = { method: 'POST', headers: { origin, 'content-type': 'application/json' } }
  const answers: [status: number, answer: Promise<Response>][] = [
    [200, fetch(`${rest}/v1/users`, { headers: { origin } })],
    [404, fetch(`${rest}/v1/users/9`, { headers: { origin } })],
    [404, fetch(`${rest}/nowhere`, { headers: { origin } })],
    [405, fetch(`${rest}/v1/users/9`, { method: 'PUT', headers: { origin } })],
    [400, fetch(`${rest}/v1/users`, { ...post, body: '{' })],
    [200, fetch(`${rpc}${rpcPath}`, { ...post, body: '{}' })],
    [400, fetch(`${rpc}${rpcPath}`, { ...post, body: '{' })],
    [404, fetch(`${rpc}/nowhere`, { ...post, body: '{}' })],
  ]
  for (const [status, answer] of answers) {
    const { headers, status: got, url } = await answer
    t.equal(got, status, url)
    t.equal(headers.get('access-control-allow-origin'), origin, url)
    t.match(headers.get('vary'), /origin/i, url)
    t.match(headers.get('access-control-expose-headers'), /grpc-status/i, url)
  }
})

test('a preflight says which methods and headers a page may use', async (t) => {
  const { rest, rpc } = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    CORS_ORIGINS: origin,
  })
  const ask = (url: string, method: string, from = origin) =>
    fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin: from,
        'access-control-request-method': method,
        'access-control-request-headers': 'content-type,connect-protocol-version',
      },
    })
  for (const [url, method] of [
    [`${rest}/v1/users/1`, 'PATCH'],
    [`${rpc}${rpcPath}`, 'POST'],
  ] as const) {
    const { status, headers } = await ask(url, method)
    t.equal(status, 204, url)
    t.equal(headers.get('access-control-allow-origin'), origin)
    t.match(headers.get('access-control-allow-methods'), method)
    t.match(headers.get('access-control-allow-headers'), /connect-protocol-version/i)
    t.match(headers.get('access-control-allow-headers'), /x-grpc-web/i)
  }
  const stranger = await ask(`${rest}/v1/users`, 'POST', 'https://evil.example.org')
  t.equal(stranger.headers.get('access-control-allow-origin'), null)
  const plain = await fetch(`${rest}/v1/users`, { method: 'OPTIONS' })
  t.equal(plain.headers.get('allow'), 'GET, HEAD, OPTIONS, POST')
})
