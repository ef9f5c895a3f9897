import { SpanStatusCode } from '@opentelemetry/api'
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace'
import { test } from 'tap'
import { startApp } from '../help/app.ts'
import { startEtcd, withoutEtcd } from '../help/etcd.ts'
import { samplesOf } from '../help/exposition.ts'
import { until } from '../help/until.ts'

test(
  'metrics, a span of each connection and a line of each change tell of the registry',
  { skip: withoutEtcd },
  async (t) => {
    const etcd = await startEtcd(t)
    const spans = new InMemorySpanExporter()
    const env = {
      REGISTRY: 'etcd',
      ETCD_ENDPOINTS: etcd.url,
      REGISTRY_TTL: '2s',
      REGISTRY_KITEX_NAME: 'users',
    }
    const app = await startApp(t, { storage: 'sqlite', measured: true, spans, env })
    const values = async (name: string) => {
      const samples = await samplesOf(app.metrics, name)
      return samples.map(
        ({ labels, value }) => `${labels.registry} ${labels.format ?? labels.result} ${value}`,
      )
    }
    const registered = (value: number) =>
      until(`registry_registered ${value}`, async () => {
        const found = await values('registry_registered')
        return found.toSorted().join() === `etcd kitex ${value},etcd kratos ${value}`
      })
    await registered(1)
    t.strictSame(await values('registry_attempts_total'), ['etcd ok 2', 'etcd failed 0'])
    const connects = () => spans.getFinishedSpans().filter(({ name }) => name === 'etcd.connect')
    await until('a span', () => connects().length === 1)
    t.match(connects()[0], {
      parentSpanContext: undefined,
      attributes: { 'etcd.endpoints': etcd.url, 'etcd.dial_timeout': '3000ms' },
      events: [{ name: 'etcd registry created' }],
    })

    await etcd.stop()
    await registered(0)
    await until('a failed span', () =>
      connects().some(({ status }) => status.code === SpanStatusCode.ERROR),
    )
    await etcd.start()
    await registered(1)
    await app.close()
    const lines = app.log().filter(({ format }) => format === 'kratos')
    t.match(
      lines.map(({ level, msg }) => `${level} ${msg}`),
      [
        /info announced/,
        /warn not announced, trying again: /,
        /info announced/,
        /info stopped announcing/,
      ],
    )
  },
)
