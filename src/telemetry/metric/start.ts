import { durationMs } from '@bufbuild/protobuf/wkt'
import { detectResources, envDetector } from '@opentelemetry/resources'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import type { Logger } from 'pino'
import type { Conf } from '../../conf/conf.ts'
import { SettingError } from '../../conf/error.ts'
import type { Env } from '../../conf/placeholder.ts'
import { listenProblem } from '../../text/listen-problem.ts'
import { type Identity, serviceResource } from '../resource.ts'
import { clientMetrics } from './client/try-metrics.ts'
import { exchangeMetrics } from './exchange.ts'
import type { Family } from './family.ts'
import { loadMetrics } from './limit/load-metrics.ts'
import type { Metrics } from './metrics.ts'
import { metricProducer, scope } from './producer.ts'
import { prometheusReader } from './prometheus.ts'
import { type PushOptions, pushReader } from './push.ts'
import { redisMetrics } from './redis/redis-metrics.ts'
import { refusals } from './refusals.ts'
import { runtimeMetrics } from './runtime.ts'
import { metricsServer } from './server.ts'
import { watchState } from './state.ts'
import { statementMetrics } from './statement.ts'

interface MetricsInit {
  conf: Conf
  identity: Pick<Identity, 'service' | 'version'>
  env: Env
  log: Logger
}

/** Paths that are served without being an operation. */
const paths = ['/healthz', '/readyz']

/**
 * Makes the instruments and their readers, and opens the port for Prometheus. Throws a SettingError
 * where the port is taken.
 */
export async function startMetrics({ conf, identity, env, log }: MetricsInit): Promise<Metrics> {
  const scheme = conf.server.tls.certFile === '' ? 'http' : 'https'
  const refused = refusals()
  const exchanges = exchangeMetrics({ scheme, paths }, refused.of)
  const statements = statementMetrics(refused.of)
  const clients = clientMetrics()
  const redis = redisMetrics()
  const load = loadMetrics()
  const families: Family<unknown>[] = [
    ...exchanges.families,
    refused.family,
    ...statements.families,
    ...clients.families,
    ...redis.families,
    ...load.families,
  ]
  const producer = metricProducer(families)
  const prometheus = prometheusReader(producer)
  const push = await pushReader(pushOptions(conf.metrics.push), env, producer, {
    note: (text) => log.warn(text),
    failing: (reason) =>
      log.warn({ reason }, 'metrics cannot be pushed; the next push that arrives has the numbers'),
    resumed: () => log.info('metrics are pushed again'),
  })
  const own = serviceResource({ ...identity, environment: conf.tracing.environment }, env)
  const provider = new MeterProvider({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
    resource: own.merge(detectResources({ detectors: [envDetector] })),
    readers: [prometheus.reader, ...(push ? [push] : [])],
  })
  const meter = provider.getMeter(scope.name)
  const runtime = runtimeMetrics(meter)
  families.push(...runtime.families)
  clients.watch(meter)
  const { addr } = conf.metrics
  const served =
    addr === '' ? undefined : await metricsServer(addr, prometheus.text, failed).catch(taken)

  function failed(err: unknown): void {
    log.error({ err: { message: String(err) } }, 'the metrics could not be read')
  }

  function taken(cause: unknown): never {
    throw new SettingError('metrics.addr', listenProblem(addr, cause))
  }

  return {
    exchanges: exchanges.observerFor,
    statements: statements.observe,
    calls: clients.calls,
    redis: redis.observe,
    cacheReads: redis.cacheReads,
    quotaCalls: load.quotaCalls,
    shedCalls: load.shedCalls,
    watch: (state) => watchState(meter, state),
    text: prometheus.text,
    address: served?.address,
    async stop(timeoutMs) {
      runtime.stop()
      await served?.close()
      try {
        await provider.shutdown({ timeoutMillis: timeoutMs })
      } catch (err) {
        log.warn({ reason: String(err) }, 'the last metrics were not pushed')
      }
    },
  }
}

function pushOptions({
  endpoint,
  protocol,
  headers,
  tls,
  ...times
}: Conf['metrics']['push']): PushOptions {
  return {
    endpoint,
    // The rule of the setting has no other names.
    protocol: protocol as PushOptions['protocol'],
    headers,
    tls,
    intervalMs: durationMs(times.interval),
    timeoutMs: durationMs(times.timeout),
  }
}
