import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { startApp } from '../../help/app.ts'
import { httpCollector } from '../../help/collector.ts'
import { trees } from '../../help/spans.ts'
import { until } from '../../help/until.ts'

const queue = 300
const batch = 100
const spansOfACall = 5

test('a collector that is killed under load and comes back costs spans, counted, and nothing else', async (t) => {
  const first = await httpCollector(t)
  const exporter = new OTLPTraceExporter({ url: `${first.url}/v1/traces`, timeoutMillis: 300 })
  const app = await startApp(t, {
    storage: 'sqlite',
    spans: exporter,
    configure({ tracing }) {
      tracing.batch.queue = queue
      tracing.batch.maxSize = batch
    },
  })
  const grpc = createClient(User, createGrpcTransport({ baseUrl: app.rpc.url }))
  let calls = 0
  let failed = 0
  let mostWaiting = 0
  const counts = () => app.tracing?.counts() ?? t.fail('tracing is off')

  async function callUntil(done: () => boolean): Promise<void> {
    for (let left = 20_000; !done() && left > 0; left -= 1) {
      calls += 1
      const answered =
        calls % 2 === 0
          ? fetch(`${app.rest.url}/v1/users/4711`).then((answer) => answer.text())
          : grpc.getUser({ id: 4711n }).then(
              () => '',
              (err: unknown) => String(err),
            )
      if (!(await answered).includes('there is no user 4711')) failed += 1
      mostWaiting = Math.max(mostWaiting, app.tracing?.counts().waiting ?? 0)
    }
    t.ok(done(), 'came about under load')
  }
  const counted = () => {
    const { exported, dropped, waiting } = counts() as Exclude<ReturnType<typeof counts>, boolean>
    return { exported, lost: dropped.queue + dropped.export, waiting }
  }

  await callUntil(() => counted().exported > batch)
  await first.stop()
  await callUntil(() => counted().lost > 2 * queue)
  const second = await httpCollector(t, { port: first.port })
  await callUntil(() => second.spans.length > 3 * batch)
  t.ok(counted().exported > batch, 'the export has begun again')
  second.frozen = true
  const lost = counted().lost
  await callUntil(() => counted().lost > lost)
  second.frozen = false
  const before = counted().exported
  await callUntil(() => counted().exported > before)
  await until('an empty queue', () => counted().waiting === 0)

  t.equal(failed, 0, 'no call has noticed')
  t.ok(mostWaiting <= queue + batch, 'what waits is bounded')
  const { exported, lost: lostInAll } = counted()
  // More where a call had to wait for the one connection.
  t.ok(exported + lostInAll >= calls * spansOfACall, 'each span has arrived or is counted')
  // An answer that was lost on the way makes a batch arrive that counts as lost.
  t.ok(first.spans.length + second.spans.length >= exported)
  // A busy machine has further outages: batches that it does not send in time.
  const told = app.log().flatMap(({ msg }) => /^spans (?:cannot be|are) exported/.exec(msg) ?? [])
  t.ok(told.length >= 4, 'both outages and their ends are told')
  t.strictSame(
    told,
    told.map((_, at) => (at % 2 === 0 ? 'spans cannot be exported' : 'spans are exported')),
    'each once',
  )
  t.ok(
    trees(second.spans).some((tree) => tree.split('\n').length === spansOfACall),
    'whole trees again',
  )
})
