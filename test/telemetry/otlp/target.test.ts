import { test } from 'tap'
import {
  isEndpoint,
  type OtlpSettings,
  otlpTarget,
  type OtlpSignal,
} from '../../../src/telemetry/otlp/target.ts'

const tls = { caFile: 'own-ca', certFile: 'own-cert', keyFile: 'own-key' }
const own: OtlpSettings = {
  endpoint: '',
  protocol: 'auto',
  headers: { 'x-own': '1' },
  tls,
  timeoutMs: 10,
}
const signals: OtlpSignal[] = ['traces', 'metrics', 'logs']

test('one endpoint for all signals is reached by one protocol, which its port says', async (t) => {
  for (const signal of signals)
    for (const [endpoint, protocol, url] of [
      ['http://c:4317', 'grpc', 'http://c:4317'],
      ['https://c:4317/', 'grpc', 'https://c:4317/'],
      ['http://c:4318', 'http/protobuf', `http://c:4318/v1/${signal}`],
      ['http://c:4318/', 'http/protobuf', `http://c:4318/v1/${signal}`],
      ['https://c/otlp', 'http/protobuf', `https://c/otlp/v1/${signal}`],
      ['http://c:9/v1/traces', 'http/protobuf', `http://c:9/v1/${signal}`],
    ] as const) {
      t.match(otlpTarget(signal, own, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }), { protocol, url })
      t.match(otlpTarget(signal, { ...own, endpoint }, {}), { protocol, url })
    }
})

test('the variable of a signal wins over that of all, and that over the configuration', async (t) => {
  for (const signal of signals) {
    const given = { ...own, endpoint: 'http://own:4317' }
    const all: Record<string, string> = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://all:4318',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_HEADERS: 'x=1',
      OTEL_EXPORTER_OTLP_CERTIFICATE: 'all-ca',
      OTEL_EXPORTER_OTLP_TIMEOUT: '20',
    }
    const prefix = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}`
    const one = {
      ...all,
      [`${prefix}_ENDPOINT`]: 'http://one:7/exact',
      [`${prefix}_PROTOCOL`]: 'grpc',
      [`${prefix}_CERTIFICATE`]: 'one-ca',
      [`${prefix}_TIMEOUT`]: '30',
    }
    t.match(otlpTarget(signal, given, {}), {
      protocol: 'grpc',
      url: 'http://own:4317',
      headers: { 'x-own': '1' },
      tls,
      timeoutMs: 10,
    })
    t.strictSame(otlpTarget(signal, given, all), {
      protocol: 'http/protobuf',
      url: `http://all:4318/v1/${signal}`,
      headers: {},
      tls: { ...tls, caFile: 'all-ca' },
      timeoutMs: 20,
      notes: [`${signal} go in clear text: all-ca counts for an endpoint with https:// only`],
    })
    t.match(otlpTarget(signal, given, one), {
      protocol: 'grpc',
      url: 'http://one:7/exact',
      tls: { ...tls, caFile: 'one-ca' },
      timeoutMs: 30,
    })
  }
})

test('a variable that is set to nothing does not count', async (t) => {
  const empty = { OTEL_EXPORTER_OTLP_ENDPOINT: '', OTEL_EXPORTER_OTLP_HEADERS: '' }
  t.match(otlpTarget('traces', { ...own, endpoint: 'http://own:1' }, empty), {
    url: 'http://own:1/v1/traces',
    headers: { 'x-own': '1' },
  })
})

test('http/json becomes http/protobuf with a note, whatever the port', async (t) => {
  const env = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }
  t.match(otlpTarget('metrics', { ...own, endpoint: 'http://c:4317' }, env), {
    protocol: 'http/protobuf',
    notes: [/^OTEL_EXPORTER_OTLP_PROTOCOL=http\/json: http\/protobuf is used/],
  })
})

test('an endpoint has the scheme http or https', async (t) => {
  for (const good of ['http://c:4317', 'https://c']) t.equal(isEndpoint(good), true, good)
  for (const bad of ['c:4317', '127.0.0.1:4317', 'grpc://c', '//c', 'http://', ''])
    t.equal(isEndpoint(bad), false, bad)
})
