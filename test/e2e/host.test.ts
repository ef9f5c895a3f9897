import { gzipSync } from 'node:zlib'
import { test } from 'tap'
import { startApp, type RunningApp } from '../help/app.ts'
import { samplesOf, sum } from '../help/exposition.ts'
import { h2Client } from './h2.ts'
import { exchangeBytes, type RawAnswer } from './raw.ts'
import { until } from '../help/until.ts'

const user = '/api.user.v1.User'
const missing = '{"id":42}'
const query = `connect=v1&encoding=json&message=${encodeURIComponent(missing)}`
const json = 'Content-Type: application/json\r\n'

/** Hosts that no URL has, and some that one has. */
const served = [
  'localhost',
  'LOCALHOST:8000',
  '',
  '::1',
  '[::1]:9000',
  '[fe80::1%25eth0]',
  '[fe80::1%eth0]:80',
  'localhost:65536',
  'localhost:99999',
  'localhost:',
  'localhost:http',
  '%2Ftmp%2Fx.sock',
  '%zz',
  '*',
  '_dmarc.example',
  'a..b',
  '[',
  '1.2.3.4.5',
  'x'.repeat(300),
]

const refused = [
  'a b',
  'a\tb',
  'a/b',
  'a\\b',
  'me@localhost',
  'a"b',
  '<x>',
  'a?b',
  'a#b',
  '\xe4',
  '{',
]

const get = (target: string) => ({ head: `GET ${target} HTTP/1.1\r\n`, body: Buffer.alloc(0) })

function post(target: string, body: string | Uint8Array, headers: string) {
  const bytes = Buffer.from(body)
  const length = `Content-Length: ${bytes.byteLength}\r\n`
  return { head: `POST ${target} HTTP/1.1\r\n${headers}${length}`, body: bytes }
}

function enveloped(message: string): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, Buffer.from(message)])
}

const reflection = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'

/** Calls of HTTP/1.1, each with what its answer holds. */
const calls = {
  'REST GET': ['rest', get('/v1/users/42'), 404, /USER_NOT_FOUND/],
  'an absolute target on REST': ['rest', get('http://a:99999/v1/users/42'), 404, /USER_NOT_FOUND/],
  'an absolute target without a path': ['rest', get('http://a?b=/v1/users'), 200, /openapi/],
  'Connect GET': [
    'rpc',
    get(`${user}/GetUser?${query}`),
    404,
    /USER_NOT_FOUND|RVU0VSX05PVF9GT1VORB/,
  ],
  'an absolute target on RPC': [
    'rpc',
    get(`http://::1:99999${user}/GetUser?${query}`),
    404,
    /there is no user 42/,
  ],
  'Connect JSON': ['rpc', post(`${user}/GetUser`, missing, json), 404, /there is no user 42/],
  'compressed Connect JSON': [
    'rpc',
    post(`${user}/GetUser`, gzipSync(missing), `${json}Content-Encoding: gzip\r\n`),
    404,
    /there is no user 42/,
  ],
  'malformed Connect JSON': ['rpc', post(`${user}/GetUser`, '{', json), 400, /invalid_argument/],
  'a Connect call of no known type': [
    'rpc',
    post(`${user}/GetUser`, missing, 'Content-Type: application/connect+proto\r\n'),
    415,
    /UNSUPPORTED_MEDIA_TYPE/,
  ],
  'gRPC-Web': [
    'rpc',
    post(`${user}/GetUser`, enveloped(missing), 'Content-Type: application/grpc-web+json\r\n'),
    200,
    /grpc-status: 5/,
  ],
  'malformed gRPC-Web': [
    'rpc',
    post(`${user}/GetUser`, enveloped('{'), 'Content-Type: application/grpc-web+json\r\n'),
    200,
    /grpc-status: 3/,
  ],
} as const

type Sent = { head: string; body: Buffer }

function send(
  { rest, rpc }: RunningApp,
  port: 'rest' | 'rpc',
  { head, body }: Sent,
  hosts: string,
) {
  const rest1 = Buffer.from(`${head}${hosts}Connection: close\r\n\r\n`, 'latin1')
  return exchangeBytes({ rest, rpc }[port].port, Buffer.concat([rest1, body]))
}

const hostLine = (host: string) => `Host: ${host}\r\n`

test('Host is not used, so any that is legal or harmless is served, over HTTP/1.1', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const [what, [port, request, status, body]] of Object.entries(calls))
    for (const host of served) {
      const answer = await send(app, port, request, hostLine(host))
      t.match(answer, { status, body }, `${what} to ${JSON.stringify(host)}`)
    }
})

/** Whether an answer says that its request was malformed: details of RPC are in base64. */
function saysMalformed({ status, body }: RawAnswer): boolean {
  const [, details = ''] = /"value":"([^"]*)"/.exec(body) ?? []
  return (
    status === 400 && /MALFORMED_REQUEST/.test(body + Buffer.from(details, 'base64').toString())
  )
}

test('a malformed Host, several and none are refused on both ports', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const lines = [
    ...refused.map(hostLine),
    hostLine('a') + hostLine('b'),
    hostLine('a').repeat(2),
    '',
  ]
  for (const [what, [port, request]] of Object.entries(calls))
    for (const hosts of lines) {
      const answer = await send(app, port, request, hosts)
      const grpcWeb = /gRPC-Web/.test(what)
      const right = grpcWeb ? answer.headers.get('grpc-status') === '3' : saysMalformed(answer)
      t.ok(right, `${what} with ${JSON.stringify(hosts)}: ${answer.status} ${answer.body}`)
    }
})

test('HTTP/1.0 needs no Host', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const [port, request] of [
    ['rest', get('/v1/users/42')],
    ['rpc', get(`${user}/GetUser?${query}`)],
  ] as const) {
    const old = { ...request, head: request.head.replace('HTTP/1.1', 'HTTP/1.0') }
    t.match(await send(app, port, old, ''), { status: 404, body: /there is no user 42/ })
  }
})

/** Calls of HTTP/2, with the trailer or the text of each. */
const calls2 = {
  gRPC: [{ ':path': `${user}/GetUser`, 'content-type': 'application/grpc+json' }, missing, '5'],
  'malformed gRPC': [
    { ':path': `${user}/GetUser`, 'content-type': 'application/grpc+json' },
    '{',
    '3',
  ],
  'compressed gRPC': [
    {
      ':path': `${user}/GetUser`,
      'content-type': 'application/grpc+json',
      'grpc-encoding': 'gzip',
    },
    missing,
    '5',
  ],
  'gRPC reflection': [
    { ':path': reflection, 'content-type': 'application/grpc+json' },
    '{"listServices":""}',
    '0',
  ],
} as const

test('an :authority that no URL has is served over HTTP/2', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, app.rpc.url)
  for (const host of served.filter((each) => each !== ''))
    for (const [what, [headers, message, status]] of Object.entries(calls2)) {
      const sent = { ':authority': host, ':method': 'POST', te: 'trailers', ...headers }
      const answer = await request(sent, enveloped(message))
      const given = answer.trailers.get('grpc-status') ?? answer.headers.get('grpc-status')
      t.equal(given, status, `${what} to ${host}`)
    }
  const byGet = await request({ ':authority': '%2Fx', ':path': `${user}/GetUser?${query}` })
  t.match(byGet, { status: 404, body: /there is no user 42/ })
  const stream = { ':path': reflection, 'content-type': 'application/connect+json' }
  const sent = { ':authority': '%2Fx', ':method': 'POST', ...stream }
  const listed = await request(sent, enveloped('{"listServices":""}'))
  t.match(listed, { status: 200, body: /api\.user\.v1\.User/ })
  const rest = h2Client(t, app.rest.url)
  t.match(await rest({ ':authority': '%2Fx', ':path': '/v1/users/42' }), { status: 404 })
})

test('a refused Host and a served one count as what they were, with one line each', async (t) => {
  const app = await startApp(t, { storage: 'sqlite', measured: true })
  const [, request] = calls['Connect GET']
  await send(app, 'rpc', request, hostLine('::1'))
  await send(app, 'rpc', request, hostLine('a b'))
  const count = async () => samplesOf(app.metrics, 'server_requests_code_total')
  await until('both to be counted', async () => sum(await count()) >= 2)
  const codes = (await count()).map(({ labels, value }) => [
    labels['code'],
    labels['reason'],
    value,
  ])
  t.strictSame(codes, [
    ['404', 'USER_NOT_FOUND', 1],
    ['400', 'MALFORMED_REQUEST', 1],
  ])
  const lines = app.log().filter(({ kind }) => kind === 'server')
  t.match(lines, [
    { level: 'info', code: 404, operation: `${user}/GetUser` },
    { level: 'info', code: 400, reason: 'MALFORMED_REQUEST' },
  ])
  t.equal(lines.length, 2)
})
