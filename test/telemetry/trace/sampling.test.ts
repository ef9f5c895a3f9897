import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { loadConf } from '../../../src/conf/conf.ts'
import { sampling, type SamplingFacts } from '../../../src/telemetry/trace/sampling.ts'
import { unknownNames } from '../../../src/telemetry/unknown-names.ts'
import { tracingSettings } from '../../../src/telemetry/trace/settings.ts'

const text = readFileSync(new URL('../../../configs/config.yaml', import.meta.url), 'utf8')
const base = { parentBased: true, ratio: 0.5, rules: [], keep: false }
const call: SamplingFacts = {
  parent: undefined,
  priority: false,
  operation: '/api.user.v1.User/GetUser',
  route: '/v1/users/{id}',
}

test('the ratio counts where the caller has not decided', async (t) => {
  t.equal(sampling(base, () => 0.49)(call), 'record')
  t.equal(sampling(base, () => 0.5)(call), 'none')
  t.equal(sampling({ ...base, ratio: 0 }, () => 0)(call), 'none')
  t.equal(sampling({ ...base, ratio: 1 }, () => 0.999)(call), 'record')
})

test('the caller’s decision comes before rules and ratio, and priority before that', async (t) => {
  const rules = [['/api.user.v1.User/*', 1]] as const
  const decide = sampling({ ...base, ratio: 0, rules }, () => 0.9)
  t.equal(decide({ ...call, parent: false }), 'none')
  t.equal(decide({ ...call, parent: true }), 'record')
  t.equal(decide({ ...call, parent: false, priority: true }), 'record')
  const alone = sampling({ ...base, parentBased: false, ratio: 0 }, () => 0.9)
  t.equal(alone({ ...call, parent: true }), 'none')
})

test('the first rule that fits operation or route gives the ratio', async (t) => {
  const rules = [
    ['/v1/users/{id}', 0.2],
    ['/api.user.v1.User/*', 0.8],
    ['*Health*', 0],
  ] as const
  const at = (random: number, facts: Partial<SamplingFacts>) =>
    sampling({ ...base, rules }, () => random)({ ...call, ...facts })
  t.equal(at(0.3, {}), 'none')
  t.equal(at(0.1, {}), 'record')
  t.equal(at(0.7, { route: '/v1/users' }), 'record')
  t.equal(at(0.7, { operation: '/other.Service/Get', route: '' }), 'none')
  t.equal(at(0, { operation: '/grpc.health.v1.Health/Check', route: '' }), 'none')
  t.equal(at(0.3, { operation: '', route: '/anything' }), 'record', 'the ratio for the rest')
})

test('what was not chosen is held back if something is to be kept, but not past a rule of 0', async (t) => {
  const rules = [['/healthz', 0]] as const
  const decide = sampling({ ...base, ratio: 0, keep: true, rules }, () => 0)
  t.equal(decide(call), 'hold')
  t.equal(decide({ ...call, parent: false }), 'hold')
  t.equal(decide({ ...call, operation: '', route: '/healthz' }), 'none')
})

const settings = (env: Record<string, string>, conf: Record<string, string> = {}) =>
  tracingSettings(loadConf({ text, origin: 'config.yaml' }, conf).tracing, env)

test('tracing is off until a collector is named, and by the standard switches', async (t) => {
  t.equal(settings({}), undefined)
  const endpoint = { TRACING_ENDPOINT: 'http://collector:4317' }
  t.equal(settings({ OTEL_SDK_DISABLED: 'true' }, endpoint), undefined)
  t.equal(settings({ OTEL_TRACES_EXPORTER: 'none' }, endpoint), undefined)
  t.equal(settings({}, { ...endpoint, TRACING_EXPORTER: 'off' }), undefined)
  t.match(settings({}, endpoint), {
    exporter: 'otlp',
    spans: { protocol: 'grpc', url: 'http://collector:4317' },
  })
  for (const named of [
    settings({}, { TRACING_ENDPOINT: 'http://c:4318' }),
    settings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }),
  ])
    t.match(named, {
      exporter: 'otlp',
      spans: { protocol: 'http/protobuf', url: 'http://c:4318/v1/traces' },
    })
})

test('the OTEL variables win over the configuration', async (t) => {
  const conf = { TRACING_ENDPOINT: 'http://collector:4317', TRACING_RATIO: '0.3' }
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://other:4318',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_TRACES_SAMPLER: 'traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.25',
    OTEL_BSP_MAX_QUEUE_SIZE: '7',
    OTEL_BSP_SCHEDULE_DELAY: '11',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '3',
    OTEL_BSP_EXPORT_TIMEOUT: '13',
  }
  t.match(settings({}, conf), { sampling: { parentBased: true, ratio: 0.3 } })
  t.match(settings(env, conf), {
    spans: { protocol: 'http/protobuf', url: 'http://other:4318/v1/traces' },
    sampling: { parentBased: false, ratio: 0.25 },
    batch: { queue: 7, delayMs: 11, maxSize: 3, timeoutMs: 13 },
  })
  t.match(settings({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, conf), {
    sampling: { parentBased: true, ratio: 0 },
  })
  t.match(settings({ OTEL_TRACES_SAMPLER: 'dice' }, conf), {
    sampling: { ratio: 0.3 },
    notes: [/OTEL_TRACES_SAMPLER=dice/],
  })
})

test('the old address of Jaeger is taken, and what becomes of it is said', async (t) => {
  t.match(settings({}, { JAEGER_ENDPOINT: 'http://jaeger:14268/api/traces' }), {
    spans: { protocol: 'http/protobuf', url: 'http://jaeger:4318/v1/traces' },
    notes: [/jaeger_endpoint.*OTLP.*http:\/\/jaeger:4318/],
  })
})

test('one of a list of exporters is used, and what is not is said', async (t) => {
  const list = { OTEL_TRACES_EXPORTER: 'dice, console,otlp' }
  t.match(settings(list), {
    exporter: 'console',
    notes: [/one exporter, console; otlp is not used/],
  })
})

test('a name that OpenTelemetry has and this service does not is said', async (t) => {
  const env = {
    OTEL_TRACES_EXPORTER: 'dice, console',
    OTEL_METRICS_EXPORTER: 'statsd',
    OTEL_PROPAGATORS: 'tracecontext, jaeger',
  }
  t.match(unknownNames(env), [
    /^OTEL_TRACES_EXPORTER=dice, console: dice is not known; otlp, zipkin, console, none are$/,
    /^OTEL_METRICS_EXPORTER=statsd: statsd is not known; otlp, prometheus, none are$/,
    /^OTEL_PROPAGATORS=tracecontext, jaeger: jaeger is not known; .*b3multi, none are$/,
  ])
  t.same(unknownNames({ OTEL_PROPAGATORS: 'none', OTEL_TRACES_EXPORTER: '' }), [])
})

test('a variable that should have a number and has none is said and not used', async (t) => {
  const env = { OTEL_TRACES_EXPORTER: 'console', OTEL_BSP_SCHEDULE_DELAY: 'soon' }
  t.match(settings(env), {
    batch: { delayMs: 5000 },
    notes: [/^OTEL_BSP_SCHEDULE_DELAY=soon is no number/],
  })
})

test('a number by which spans could not be exported is said and not used', async (t) => {
  const env = {
    OTEL_TRACES_EXPORTER: 'console',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '0',
    OTEL_BSP_MAX_QUEUE_SIZE: '0',
    OTEL_BSP_SCHEDULE_DELAY: '3000000000',
    OTEL_BSP_EXPORT_TIMEOUT: '0',
  }
  t.match(settings(env), {
    batch: { maxSize: 512, queue: 2048, delayMs: 5000, timeoutMs: 30_000 },
    notes: [
      /^OTEL_BSP_MAX_EXPORT_BATCH_SIZE=0 is no number from 1/,
      /^OTEL_BSP_SCHEDULE_DELAY=3000000000 is no number from 0 to 2147483647/,
      /^OTEL_BSP_MAX_QUEUE_SIZE=0 is/,
      /^OTEL_BSP_EXPORT_TIMEOUT=0 is/,
    ],
  })
})
