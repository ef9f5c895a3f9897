import { createServer } from 'node:http'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { X509Certificate } from 'node:crypto'
import { test, type Test } from 'tap'
import { metricsServer } from '../../../src/telemetry/metric/server.ts'
import { startApp } from '../../help/app.ts'
import { certificates } from '../../help/certificates.ts'
import { samplesOf } from '../../help/exposition.ts'
import { spawnService } from '../../help/process.ts'
import { freshSqlitePath } from '../../help/db.ts'
import { until } from '../../help/until.ts'

/** A connection that has sent so many requests at once to a server of this text. */
async function scraping(t: Test, text: () => Promise<string>, requests: number) {
  const server = await metricsServer('127.0.0.1:0', text, (err) => t.fail(String(err)))
  const socket = connect(server.address.port, '127.0.0.1').setEncoding('utf8')
  t.teardown(() => {
    socket.destroy()
    return server.close()
  })
  socket.write(request.repeat(requests))
  return socket
}

const request = 'GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n'

test('the metrics have a port of their own, with a health check', async (t) => {
  const { metrics, rest } = await startApp(t, { storage: 'sqlite', measured: true })
  const answer = await fetch(`${metrics}/metrics`)
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  t.match(await answer.text(), /^# TYPE service_ready gauge\nservice_ready 1$/m)
  const health = await fetch(`${metrics}/healthz`)
  t.strictSame([health.status, await health.json()], [200, { status: 'ok' }])
  t.equal((await fetch(`${rest.url}/metrics`)).status, 404, 'the API has no metrics')
})

test('a scraper gets the text format whatever it accepts, and gzip where it takes that', async (t) => {
  const { metrics } = await startApp(t, { storage: 'sqlite', measured: true })
  const ask = (headers: Record<string, string>) => fetch(`${metrics}/metrics`, { headers })
  // What Prometheus sends; it reads the type of the answer.
  const accept = 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4'
  for (const [coding, used] of [
    ['gzip', 'gzip'],
    ['br, GZIP;q=0.5', 'gzip'],
    ['gzip;q=0', null],
    ['identity', null],
  ] as const) {
    const answer = await ask({ accept, 'accept-encoding': coding })
    t.equal(answer.headers.get('content-encoding'), used, coding)
    t.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    t.match(await answer.text(), /^service_ready 1$/m)
  }
})

test('the port of the metrics serves nothing else', async (t) => {
  const { metrics } = await startApp(t, { storage: 'sqlite', measured: true })
  t.equal((await fetch(`${metrics}/v1/users`)).status, 404)
  const refused = await fetch(`${metrics}/metrics`, { method: 'POST', body: 'x' })
  t.strictSame([refused.status, refused.headers.get('allow')], [405, 'GET, HEAD'])
  const head = await fetch(`${metrics}/metrics`, {
    method: 'HEAD',
    headers: { 'accept-encoding': 'identity' },
  })
  t.strictSame([head.status, await head.text()], [200, ''])
  t.ok(Number(head.headers.get('content-length')) > 1000)
})

test('a scrape is no exchange of the service', async (t) => {
  const { metrics } = await startApp(t, { storage: 'sqlite', measured: true })
  await fetch(`${metrics}/metrics`)
  t.strictSame(await samplesOf(metrics, 'server_requests_code_total'), [])
})

test('the end of the certificate is known', async (t) => {
  const files = certificates(t).issue('server')
  const { metrics } = await startApp(t, {
    storage: 'sqlite',
    measured: true,
    configure: ({ server }) => Object.assign(server.tls, files),
  })
  const [sample] = await samplesOf(metrics, 'tls_certificate_end_seconds')
  t.equal(sample?.value, Date.parse(new X509Certificate(files.cert).validTo) / 1000)
})

test('a port that is taken ends the start with one line', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const { exit, stderr } = spawnService(t, {
    HTTP_ADDR: '127.0.0.1:0',
    GRPC_ADDR: '127.0.0.1:0',
    METRICS_ADDR: `127.0.0.1:${port}`,
    SQLITE_PATH: freshSqlitePath(t),
  })
  t.equal(await exit, 1)
  t.match(stderr(), new RegExp(`127.0.0.1:${port}.*EADDRINUSE`))
})

test('requests that come together share one reading of the metrics', async (t) => {
  let readings = 0
  const socket = await scraping(t, async () => `reading ${(readings += 1)}${await turn('\n')}`, 100)
  let answers = ''
  socket.on('data', (chunk: string) => (answers += chunk))
  await until('all answers', () => answers.match(/^reading 1$/gm)?.length === 100)
  t.equal(readings, 1)
})

test('a scraper that reads nothing gives its connection back', async (t) => {
  const socket = await scraping(t, () => Promise.resolve('x'.repeat(32 * 1024 * 1024)), 1)
  let isLost = false
  socket.pause().on('error', () => (isLost = true))
  // A socket that is not read tells of its end when it is written to.
  await until('its end', () => {
    socket.write(request)
    return isLost
  })
})
