import http2 from 'node:http2'
import net from 'node:net'
import t, { test } from 'tap'
import { exchangeMetrics } from '../../../src/telemetry/metric/exchange.ts'
import { refusals } from '../../../src/telemetry/metric/refusals.ts'
import type { Exchange } from '../../../src/server/exchange/exchange.ts'
import { startApp } from '../../help/app.ts'
import { readSamples, samplesOf, sum } from '../../help/exposition.ts'

t.setTimeout(600_000)

/** So many of each kind; `npm run verify` asks for more. */
const each = Number(process.env.CARDINALITY_EACH ?? 2500)
const pause = 100

/** Sends requests over one connection, some at a time, and waits for all the answers. */
async function pipelined(port: number, total: number, request: (index: number) => string) {
  const socket = net.connect({ port, host: '127.0.0.1' })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let answers = 0
  let sent = 0
  function send(): void {
    const to = Math.min(sent + pause, total)
    socket.write(Array.from({ length: to - sent }, (_, index) => request(sent + index)).join(''))
    sent = to
  }
  let rest = ''
  socket.on('data', (chunk) => {
    const parts = (rest + chunk.toString('latin1')).split('HTTP/1.1 ')
    rest = (parts.at(-1) ?? '').slice(-8)
    answers += parts.length - 1
    if (answers >= total) resolve()
    else if (answers >= sent) send()
  })
  socket.on('error', reject).on('close', () => reject(new Error(`closed after ${answers}`)))
  send()
  await promise
  socket.destroy()
}

async function distinctMethods(url: string, total: number): Promise<void> {
  const session = http2.connect(url)
  const one = (index: number) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const stream = session.request({ ':method': `M${index}`, ':path': '/v1/users' })
    stream.on('error', reject).on('close', resolve).resume()
    return promise
  }
  for (let index = 0; index < total; index += pause)
    await Promise.all(Array.from({ length: pause }, (_, at) => one(index + at)))
  session.destroy()
}

async function seriesOf(url: string): Promise<number> {
  const response = await fetch(`${url}/metrics`)
  return readSamples(await response.text()).length
}

test('unknown paths, methods and header values make no series', async (t) => {
  const app = await startApp(t, { storage: 'sqlite', measured: true })
  const { rest, rpc, metrics } = app
  const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`
  const odd = (index: number) =>
    `User-Agent: a${index}\r\nTraceparent: t${index}\r\nX-Md-Global-A: ${index}\r\nAccept: a/${index}\r\n`
  async function knock(count: number, from: string): Promise<void> {
    await pipelined(rest.port, count / 2, (index) => get(`/${from}${index}/x${index}`))
    await pipelined(rest.port, count / 2, (index) => get(`/v1/users/${from}${index}`))
    await pipelined(rpc.port, count / 2, (index) => get(`/${from}.S${index}/M${index}`))
    await pipelined(rpc.port, count / 2, (index) => get('/a.B/C', odd(index)))
    await pipelined(rest.port, count / 2, (index) => get('/healthz', odd(index)))
    await distinctMethods(rest.url, count / 2)
  }
  await knock(2 * pause, 'first')
  const before = await seriesOf(metrics)
  await knock(each, 'second')
  t.equal(await seriesOf(metrics), before)
  const counted = await samplesOf(metrics, 'server_requests_code_total')
  t.ok(sum(counted) >= 3 * each, 'and all of them count')
})

test('unknown reasons make no series', async (t) => {
  const { observerFor, families } = exchangeMetrics({ scheme: 'http', paths: [] }, refusals().of)
  const observer = observerFor([])
  const exchange = (reason: string): Exchange => ({
    method: 'GET',
    path: '/',
    protocol: 'rest',
    operation: '/a.B/C',
    route: '/c',
    startedAt: 0,
    intercepted: true,
    stream: undefined,
    failure: { status: 400, reason },
    httpStatus: 400,
    durationMs: 1,
  })
  const points = () =>
    families.reduce((total, family) => total + family.collect([0, 0]).dataPoints.length, 0)
  observer.end(exchange('REASON'))
  const before = points()
  for (let index = 0; index < each; index += 1) observer.end(exchange(`REASON_${index}`))
  t.equal(points(), before)
})
