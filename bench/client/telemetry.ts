import { readFileSync } from 'node:fs'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { create } from '@bufbuild/protobuf'
import { type Interceptor, type UnaryRequest, createContextValues } from '@connectrpc/connect'
import pino from 'pino'
import type { Incoming } from '../../src/call/incoming.ts'
import { loadConf } from '../../src/conf/conf.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { type Exchange, exchangeKey } from '../../src/server/exchange/exchange.ts'
import { incomingCalls } from '../../src/server/interceptor/incoming.ts'
import { startMetrics } from '../../src/telemetry/metric/start.ts'
import { tracingSettings } from '../../src/telemetry/trace/settings.ts'
import { startTracing } from '../../src/telemetry/trace/start.ts'

/** Tracing to a collector and metrics, and exchanges whose calls they see. */
export async function startTelemetry(collector: string) {
  const file = new URL('../../configs/config.yaml', import.meta.url)
  const text = readFileSync(file, 'utf8')
  const conf = loadConf({ text, origin: 'config.yaml' }, { METRICS_ADDR: '' })
  conf.tracing.endpoint = collector
  conf.tracing.sampling.ratio = 1
  conf.tracing.batch.queue = 50_000
  const settings = tracingSettings(conf.tracing, {})
  if (!settings) throw new Error('tracing is off')
  const identity = { service: 'bench', version: 'bench' }
  const log = pino({ level: 'silent' })
  const tracing = await startTracing({ settings, identity, env: {}, log })
  const metrics = await startMetrics({ conf, identity, env: {}, log })
  const incoming = incomingCalls({ defaultMs: 60_000, byOperation: new Map() })
  const interceptors: Interceptor[] = [tracing.interceptor, incoming.interceptor]
  return {
    options: {
      tracing: tracing.calls,
      metrics: metrics.calls,
      incoming: (): Incoming | undefined => incoming.current(),
    },
    /** Does the work as the handler of a call that is traced. */
    async within<T>(work: () => Promise<T>): Promise<T> {
      const exchange = newExchange()
      const message = new IncomingMessage(new Socket())
      tracing.observer.begin?.(exchange, message, new ServerResponse(message))
      const results: T[] = []
      const handle = async () => {
        results.push(await work())
        return { stream: false } as never
      }
      const chain = interceptors.reduceRight<ReturnType<Interceptor>>(
        (next, each) => each(next),
        handle,
      )
      const contextValues = createContextValues().set(exchangeKey, exchange)
      await chain({ ...request, contextValues })
      tracing.observer.end(exchange)
      return results[0] as T
    },
    /** Throws where spans were lost: they would have cost less. */
    check(): void {
      const { dropped } = tracing.counts()
      if (dropped.queue + dropped.export > 0) throw new Error('spans were dropped')
    },
  }
}

const method = User.method.getUser
const request: Omit<UnaryRequest, 'contextValues'> = {
  stream: false,
  method,
  service: method.parent,
  requestMethod: 'POST',
  url: '',
  message: create(method.input),
  signal: new AbortController().signal,
  header: new Headers({ 'x-md-global-region': 'eu' }),
}

function newExchange(): Exchange {
  return {
    method: 'POST',
    path: '/api.user.v1.User/GetUser',
    protocol: 'grpc',
    operation: '/api.user.v1.User/GetUser',
    route: '',
    startedAt: performance.now(),
    intercepted: true,
    failure: undefined,
    stream: undefined,
    httpStatus: 200,
    durationMs: 1,
  }
}
