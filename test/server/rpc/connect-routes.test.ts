import type { AddressInfo } from 'node:net'
import { readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { createContextValues, type ServiceImpl } from '@connectrpc/connect'
import type { UniversalHandler } from '@connectrpc/connect/protocol'
import fastify from 'fastify'
import pino from 'pino'
import { test, type Test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { ServerReflection } from '../../../src/gen/grpc/reflection/v1/reflection_pb.ts'
import { loadConf } from '../../../src/conf/conf.ts'
import { startMetrics } from '../../../src/telemetry/metric/start.ts'
import { recordMethods } from '../../../src/call/methods.ts'
import { accessLog } from '../../../src/server/exchange/access-log.ts'
import { admission } from '../../../src/server/admission/admission.ts'
import { connectRoutes } from '../../../src/server/rpc/connect-routes.ts'
import { grpcServer } from '../../../src/server/grpc.ts'
import { httpServer } from '../../../src/server/http.ts'
import type { ServerOptions } from '../../../src/server/port.ts'
import { interceptors } from '../../../src/server/interceptor/list.ts'
import { readiness } from '../../../src/server/health/readiness.ts'
import { h2Client } from '../../e2e/h2.ts'
import { readSamples } from '../../help/exposition.ts'
import { patientLimits, patientStreams } from '../../help/limits.ts'
import { until } from '../../help/until.ts'

const confFile = new URL('../../../configs/config.yaml', import.meta.url)

type Implementation = Partial<ServiceImpl<typeof User>>

const nothing = { getUser: () => undefined } as unknown as Implementation

/** A header that HTTP refuses when the answer is written, after the call itself has succeeded. */
const unwritable: Implementation = {
  getUser({ id }, { responseHeader }) {
    responseHeader.set('x-broken', '\u0001')
    return { id }
  },
}

interface LogLine {
  level: number
  code: number
  reason: string
  err?: { message: string; stack: string }
}

/** Both ports with a service, what they log and what they count. */
async function serve(t: Test, implementation: Implementation) {
  const lines: string[] = []
  const write = (chunk: Buffer, _encoding: unknown, written: () => void) => {
    lines.push(chunk.toString())
    written()
  }
  const log = pino(new Writable({ write }))
  const conf = loadConf(
    { text: readFileSync(confFile, 'utf8'), origin: 'config.yaml' },
    { METRICS_ADDR: '' },
  )
  const identity = { service: 'user-service', version: 'test' }
  const metrics = await startMetrics({ conf, identity, env: {}, log })
  t.teardown(() => metrics.stop(1000))
  const options: ServerOptions = {
    routes(router) {
      router.service(User, implementation)
      router.service(ServerReflection, {
        async *serverReflectionInfo(_requests, { responseTrailer }) {
          yield { validHost: 'x'.repeat(100) }
          responseTrailer.set('x-broken', '\u0001')
        },
      })
    },
    interceptors: interceptors({ defaultMs: 5000, byOperation: new Map() }, () => undefined),
    observers: [accessLog(log), metrics.exchanges([])],
    admission: admission({ maxActive: 100, maxCalls: 100 }),
    streams: patientStreams(),
    tls: undefined,
    origins: [],
    limits: { ...patientLimits, maxBodyBytes: 2000 },
  }
  const ports = [httpServer(options, readiness({})), grpcServer(options)]
  const urls = []
  for (const { app } of ports) {
    await app.listen({ host: '127.0.0.1', port: 0 })
    t.teardown(() => app.close())
    urls.push(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
  }
  const [rest = '', rpc = ''] = urls
  /** The lines that `act` adds, once there is one and time for another. */
  async function linesOf(act: () => Promise<unknown>): Promise<LogLine[]> {
    const before = lines.length
    await act()
    await until('the line of the call', () => lines.length > before)
    await sleep(20)
    return lines.slice(before).map((line) => JSON.parse(line) as LogLine)
  }
  async function counted(): Promise<unknown[]> {
    const samples = readSamples(await metrics.text())
    return samples
      .filter(({ name }) => name === 'server_requests_code_total')
      .map(({ labels: { code, reason } }) => `${code} ${reason}`)
  }
  return { rest, rpc, linesOf, counted }
}

const path = '/api.user.v1.User/GetUser'
const json = '{"id":"1"}'

function enveloped(message: string): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, Buffer.from(message)])
}

type Served = Awaited<ReturnType<typeof serve>>

/** A call in each protocol, on the way of well-formed unary calls and beside it, and how its failure shows. */
function failing(t: Test, { rest, rpc }: Served): Record<string, () => Promise<boolean>> {
  const post = { method: 'POST', body: json }
  const h2 = h2Client(t, rpc)
  async function shows(answer: Promise<Response>): Promise<boolean> {
    const { status, headers, body } = await answer.then(async (each) => ({
      status: each.status,
      headers: each.headers,
      body: await each.text(),
    }))
    const web = headers.get('content-type')?.startsWith('application/grpc-web')
    if (web) return headers.get('grpc-status') === '13' || /grpc-status: 13/.test(body)
    return status === 500 && /internal/i.test(body) && !/u0001|ERR_|nothing/.test(body)
  }
  async function showsGrpc(headers: Record<string, string>): Promise<boolean> {
    const sent = { ':method': 'POST', ':path': path, te: 'trailers', ...headers }
    // A stream that is reset with INTERNAL_ERROR is INTERNAL to a client of gRPC.
    const answer = await h2(sent, enveloped(json)).catch((err: Error) => err)
    if (answer instanceof Error) return /INTERNAL_ERROR/.test(answer.message)
    return (answer.trailers.get('grpc-status') ?? answer.headers.get('grpc-status')) === '13'
  }
  const headers = { 'content-type': 'application/json' }
  // Content codings have no case.
  const zipped = { ...headers, 'content-encoding': 'GZIP' }
  const web = { 'content-type': 'application/grpc-web+json' }
  const query = `?connect=v1&encoding=json&message=${encodeURIComponent(json)}`
  return {
    REST: () => shows(fetch(`${rest}/v1/users/1`)),
    'Connect JSON': () => shows(fetch(rpc + path, { ...post, headers })),
    'Connect GET': () => shows(fetch(rpc + path + query)),
    'compressed Connect JSON': () =>
      shows(fetch(rpc + path, { ...post, headers: zipped, body: gzipSync(json) })),
    'Connect GET over HTTP/2': async () => (await h2({ ':path': path + query })).status === 500,
    'gRPC-Web': () => shows(fetch(rpc + path, { ...post, headers: web, body: enveloped(json) })),
    gRPC: () => showsGrpc({ 'content-type': 'application/grpc+json' }),
    'gRPC in unusual spelling': () => showsGrpc({ 'content-type': 'Application/gRPC+json' }),
  }
}

for (const [what, implementation] of Object.entries({
  'a method that returns nothing': nothing,
  'a header that cannot be written': unwritable,
}))
  test(`${what} is a failure in each protocol, with one line and its count`, async (t) => {
    const served = await serve(t, implementation)
    for (const [protocol, call] of Object.entries(failing(t, served))) {
      let shown = false
      const lines = await served.linesOf(async () => (shown = await call()))
      t.ok(shown, `${protocol} tells of a failure`)
      t.equal(lines.length, 1, `${protocol}: one line`)
      const error = { level: 50, code: 500, reason: 'INTERNAL', err: { message: /./, stack: /./ } }
      t.match(lines, [error], protocol)
    }
    t.strictSame([...new Set(await served.counted())], ['500 INTERNAL'])
  })

test('an answer that breaks after its beginning is no success, and counts as a failure', async (t) => {
  const served = await serve(t, {})
  const request = h2Client(t, served.rpc)
  const target = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
  const sent = { ':method': 'POST', ':path': target, 'content-type': 'application/grpc+json' }
  const lines = await served.linesOf(() =>
    request(sent, enveloped('{}')).then(
      ({ trailers }) => t.not(trailers.get('grpc-status'), '0'),
      () => undefined,
    ),
  )
  t.match(lines, [
    { level: 30, msg: 'stream', operation: target },
    { level: 50, code: 500, reason: 'INTERNAL' },
  ])
  t.strictSame(await served.counted(), ['500 INTERNAL'])
})

const handlers = {
  'throws at once': () => {
    throw new Error('at once')
  },
  'throws later': async () => Promise.reject(new Error('later')),
  'gives nothing': () => undefined,
  'gives what is no answer': async () => ({ status: 'x' }),
}

test('a handler of Connect that throws or gives no answer is told of and answered 500', async (t) => {
  t.intercept(console, 'error', { value: () => t.fail('the console is written to') })
  for (const [what, handler] of Object.entries(handlers)) {
    const app = fastify()
    const failed: unknown[] = []
    void app.register(connectRoutes, {
      methods: recordMethods((router) => router.service(User, {})),
      wrap: (given) => Object.assign(handler as unknown as UniversalHandler, given),
      contextValues: () => createContextValues(),
      failed: (_request, { cause }) => void failed.push(cause),
      brokenOff: () => t.fail('no answer has begun'),
    })
    const answer = await app.inject({ method: 'GET', url: path, headers: { host: '::1' } })
    t.equal(answer.statusCode, 500, what)
    t.equal(failed.length, 1, what)
    await app.close()
  }
})
