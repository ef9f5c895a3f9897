// CPU per call of tracing alone, in ns: server span, three layers and one statement, written and sent to
// a collector, without the server and the database around them. One mode in one process:
// `node bench/tracing/in-process.ts MODE URL`, MODE `off`, a ratio, or `sdk`, which is sdk.ts.
import type { UnaryRequest } from '@connectrpc/connect'
import { createContextValues } from '@connectrpc/connect'
import { readFileSync } from 'node:fs'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pino from 'pino'
import { loadConf } from '../../src/conf/conf.ts'
import { type Exchange, exchangeKey } from '../../src/server/exchange/exchange.ts'
import { tracingSettings } from '../../src/telemetry/trace/settings.ts'
import { startTracing } from '../../src/telemetry/trace/start.ts'
import type { Tracing } from '../../src/telemetry/trace/tracing.ts'

const [mode = 'off', collector = ''] = process.argv.slice(2)
const runs = 10
const requests = 15_000
const sql = 'select `id`, `name`, `email`, `phone` from `users` where `users`.`id` = ?'

async function tracingAt(ratio: number): Promise<Tracing> {
  const file = new URL('../../configs/config.yaml', import.meta.url)
  const conf = loadConf({ text: readFileSync(file, 'utf8'), origin: 'config.yaml' }, {})
  conf.tracing.endpoint = collector
  conf.tracing.sampling.ratio = ratio
  conf.tracing.batch.queue = 20_000
  const settings = tracingSettings(conf.tracing, {})
  if (!settings) throw new Error('tracing is off')
  const identity = { service: 'user-service', version: 'bench' }
  return startTracing({ settings, identity, env: {}, log: pino({ level: 'silent' }) })
}

function connection(): Socket {
  const ends = { remoteAddress: '127.0.0.1', remotePort: 50_000 }
  const fixed = Object.entries(ends).map(([name, value]) => [name, { value }] as const)
  return Object.defineProperties(new Socket(), Object.fromEntries(fixed))
}

const ratio = Number(mode)
const tracing = Number.isNaN(ratio) ? undefined : await tracingAt(ratio)
const traced: Tracing['traced'] = tracing?.traced ?? ((_layer, object) => object)
const statements = tracing?.statements({ system: 'mysql', namespace: 'users' })
const query = async () => ({ id: 1n })
const find = async (_id: bigint) => (statements ? statements.statement(sql, query) : query())
const repo = traced('UserRepo', { find })
const described = { get: { call: (id: bigint) => ({ 'user.id': String(id) }) } }
const usecase = traced('UserUseCase', { get: async (id: bigint) => repo.find(id) }, described)
const service = traced('UserService', { getUser: async (id: bigint) => usecase.get(id) })

const request = new IncomingMessage(connection())
const headers = { host: 'localhost:8000', 'user-agent': 'bench' }
Object.assign(request, { method: 'GET', url: '/v1/users/1', httpVersion: '1.1', headers })
const response = new ServerResponse(request)
const handle = async () => {
  await service.getUser(1n)
  return undefined as never
}
const call = tracing ? tracing.interceptor(handle) : handle

async function one(): Promise<void> {
  const exchange: Exchange = {
    method: 'GET',
    path: '/v1/users/1',
    protocol: 'rest',
    operation: '/api.user.v1.User/GetUser',
    route: '/v1/users/{id}',
    startedAt: performance.now(),
    intercepted: true,
    stream: undefined,
    failure: undefined,
    httpStatus: 200,
    durationMs: 1,
  }
  tracing?.observer.begin?.(exchange, request, response)
  const contextValues = createContextValues().set(exchangeKey, exchange)
  await call({ stream: false, contextValues } as UnaryRequest)
  tracing?.observer.end(exchange)
  tracing?.fieldsOf(exchange)
}

/** One call, and a wait until what waits for export is sent, so that nothing is dropped. */
async function side() {
  if (mode !== 'sdk') return { work: one, sent }
  const { sdkCalls } = await import('./sdk.ts')
  const { call: spanned, flush } = sdkCalls(sql, collector)
  return { work: () => spanned(query), sent: flush }
}

async function sent(): Promise<void> {
  while ((tracing?.counts().waiting ?? 0) > 2000) await sleep(1)
}

const { work, sent: flushed } = await side()
let least = Infinity
for (let run = 0; run < runs; run += 1) {
  const begin = process.cpuUsage()
  for (let count = 0; count < requests; count += 1) {
    await work()
    if (count % 1000 === 0) await flushed()
  }
  const { user, system } = process.cpuUsage(begin)
  least = Math.min(least, ((user + system) * 1000) / requests)
}
console.log(Math.round(least))
const dropped = tracing?.counts().dropped
if (dropped && dropped.queue + dropped.export > 0) throw new Error('spans were dropped')
process.exit(0)
