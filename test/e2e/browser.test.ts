import { test, type Test } from 'tap'
import { type RunningApp, startApp } from '../help/app.ts'
import { browser, noBrowser, openPage } from '../help/browser.ts'
import { certificates } from '../help/certificates.ts'
import { pageServer } from '../help/pages.ts'
import type { Report } from './browser/page.ts'
import { restRows } from './browser/rows.ts'
import { type Credentials, http1Wire } from './wire.ts'
import { until } from '../help/until.ts'

const skip = browser === undefined && !process.env.CI ? noBrowser : false
const rpcProtocols = [
  'Connect JSON',
  'Connect JSON by GET',
  'Connect binary by GET',
  'gRPC-Web',
  'gRPC-Web in base64',
]

/** How the clients call an answer that the browser keeps from them. */
const unread = /Failed to fetch|http status code: 0$/

interface Visit {
  app: RunningApp
  report: Report
}

/**
 * Lets a page call a service, and another one that takes no calls. They allow the page's origin,
 * unless another is given.
 */
async function visit(t: Test, env: Record<string, string> = {}): Promise<Visit> {
  const pages = await pageServer(t, '/test/e2e/browser/page.ts')
  const settings = { CORS_ORIGINS: pages.origin, ...env }
  const app = await startApp(t, { storage: 'sqlite', env: settings })
  const full = await startApp(t, { storage: 'sqlite', env: settings, maxConcurrentCalls: 0 })
  const query = new URLSearchParams({
    rest: app.rest.url,
    rpc: app.rpc.url,
    fullRest: full.rest.url,
    fullRpc: full.rpc.url,
  })
  const failure = openPage(t, `${pages.origin}/?${query.toString()}`)
  return { app, report: (await Promise.race([pages.report, failure])) as Report }
}

async function totalOf({ rest }: RunningApp, credentials?: Credentials): Promise<unknown> {
  const { body } = await http1Wire(credentials).sender(rest.url)('GET', '/v1/users')
  return (JSON.parse(body) as { total: unknown }).total
}

/** Everything that a page of an allowed origin does comes to what it should. */
function servedWell(t: Test, { rest, rpc, overloaded }: Report): void {
  for (const [title, { want }] of Object.entries(restRows))
    t.match(rest[title], { value: want }, `REST: ${title}`)
  for (const protocol of rpcProtocols)
    t.match(
      rpc[protocol],
      {
        create: { value: protocol },
        get: { value: protocol },
        'get with a deadline': { value: protocol },
        list: { value: 1 },
        update: { value: '123' },
        delete: { value: 'google.protobuf.Empty' },
        'get of nobody': { error: { code: 'NotFound', reason: 'USER_NOT_FOUND', fields: [] } },
        'a create that breaks rules': {
          error: { code: 'InvalidArgument', reason: 'INVALID_USER_INPUT', fields: ['email'] },
        },
        'the first message of a stream': { value: 1 },
        'a stream that its deadline ends': { error: { code: 'DeadlineExceeded' } },
      },
      protocol,
    )
  const headers = { 'retry-after': '1' }
  const refused = { value: { status: 503, body: { reason: 'OVERLOADED' }, headers } }
  t.match(overloaded.REST, refused, 'REST: overloaded')
  const error = { code: 'ResourceExhausted', reason: 'OVERLOADED' }
  for (const protocol of rpcProtocols)
    t.match(overloaded[protocol], { error }, `${protocol}: overloaded`)
}

test('a page of an allowed origin calls by REST, Connect and gRPC-Web', { skip }, async (t) => {
  const { app, report } = await visit(t)
  servedWell(t, report)
  t.equal(await totalOf(app), 1, 'what needs no leave of the browser has created nobody')
  const exchanges = (method: string, path: string) =>
    app
      .log()
      .filter((line) => line.msg !== 'stream' && line.method === method && line.path === path)
      .length
  t.equal(exchanges('GET', '/api.user.v1.User/GetUser'), 6, 'by GET where the client wants it')
  t.equal(exchanges('POST', '/v1/users'), 4 + 2 + 4)
  t.equal(exchanges('OPTIONS', '/v1/users'), 1, 'a preflight is remembered')
  t.equal(exchanges('OPTIONS', '/api.user.v1.User/CreateUser'), 1, 'whatever the protocol')
  const watches = () => exchanges('POST', '/grpc.health.v1.Health/Watch')
  const streams = 2 * rpcProtocols.length
  await until('the ends of the streams', () => watches() >= streams)
  t.equal(watches(), streams, 'streams that the page has left are over')
})

test('a page of an allowed origin calls over TLS', { skip }, async (t) => {
  const authority = certificates(t)
  const { certFile, keyFile } = authority.issue('server')
  const { app, report } = await visit(t, { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile })
  servedWell(t, report)
  t.equal(await totalOf(app, { ca: authority.ca }), 1)
})

test('a page of another origin reads nothing and changes nothing', { skip }, async (t) => {
  const { app, report } = await visit(t, { CORS_ORIGINS: 'https://app.example.org' })
  const { rest, rpc, overloaded } = report
  t.equal(Object.keys(rest).length, Object.keys(restRows).length)
  t.strictSame(Object.keys(rpc), rpcProtocols)
  for (const [protocol, calls] of Object.entries({ rest, ...rpc, overloaded }))
    for (const [title, seen] of Object.entries(calls))
      t.match(seen, { error: { message: unread } }, `${protocol}: ${title}`)
  const sent = app.log().filter(({ method }) => method === 'POST')
  t.ok(sent.length > 0)
  t.ok(
    sent.every(({ reason }) => reason === 'UNSUPPORTED_MEDIA_TYPE'),
    'the browser sends only what needs no leave, and the service refuses it',
  )
  t.equal(await totalOf(app), 0)
})
