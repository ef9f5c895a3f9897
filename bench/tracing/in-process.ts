// Nanoseconds per request of tracing alone: server span, three layers, one statement, no network, no
// database; the exporter takes and forgets. `node bench/tracing/in-process.ts MODE`, MODE a ratio or `off`.
import type { UnaryRequest } from '@connectrpc/connect'
import { createContextValues } from '@connectrpc/connect'
import { readFileSync } from 'node:fs'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import pino from 'pino'
import { loadConf } from '../../src/conf/conf.ts'
import { type Exchange, exchangeKey } from '../../src/server/exchange/exchange.ts'
import { tracingSettings } from '../../src/telemetry/trace/settings.ts'
import { startTracing } from '../../src/telemetry/trace/start.ts'
import type { Tracing } from '../../src/telemetry/trace/tracing.ts'

const [mode = 'off'] = process.argv.slice(2)
const runs = 12
const requests = 20_000
const sql = 'select `id` from `users` where `users`.`id` = ?'

async function tracingAt(ratio: number): Promise<Tracing> {
  const file = new URL('../../configs/config.yaml', import.meta.url)
  const conf = loadConf({ text: readFileSync(file, 'utf8'), origin: 'config.yaml' }, {})
  conf.tracing.exporter = 'console'
  conf.tracing.sampling.ratio = ratio
  const settings = tracingSettings(conf.tracing, {})
  if (!settings) throw new Error('tracing is off')
  const exporter = {
    export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
    shutdown: () => Promise.resolve(),
  }
  const identity = { service: 'user-service', version: 'bench' }
  return startTracing({ settings, identity, env: {}, log: pino({ level: 'silent' }), exporter })
}

const tracing = mode === 'off' ? undefined : await tracingAt(Number(mode))
const traced: Tracing['traced'] = tracing?.traced ?? ((_layer, object) => object)
const statements = tracing?.statements({ system: 'mysql', namespace: 'users' })
const query = async () => ({ id: 1n })
const repo = traced('UserRepo', {
  find: async (_id: bigint) => (statements ? statements.statement(sql, query) : query()),
})
const usecase = traced('UserUseCase', { get: async (id: bigint) => repo.find(id) })
const service = traced('UserService', { getUser: async (id: bigint) => usecase.get(id) })

const socket = new Socket()
const request = new IncomingMessage(socket)
Object.assign(request, { method: 'GET', url: '/v1/users/1', headers: { host: 'localhost' } })
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
    failure: undefined,
    httpStatus: 200,
    durationMs: 1,
    abandoned: () => false,
  }
  tracing?.observer.begin?.(exchange, request, response)
  const contextValues = createContextValues().set(exchangeKey, exchange)
  await call({ stream: false, contextValues } as UnaryRequest)
  tracing?.observer.end(exchange)
}

let least = Infinity
for (let run = 0; run < runs; run += 1) {
  const begin = process.cpuUsage()
  for (let count = 0; count < requests; count += 1) await one()
  const { user, system } = process.cpuUsage(begin)
  least = Math.min(least, ((user + system) * 1000) / requests)
}
console.log(Math.round(least))
await tracing?.stop(1000)
