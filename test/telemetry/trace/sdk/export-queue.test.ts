import { emptyResource } from '@opentelemetry/resources'
import { test } from 'tap'
import { PartialSuccess } from '../../../../src/telemetry/otlp/partial-success.ts'
import { exportQueue } from '../../../../src/telemetry/trace/sdk/export-queue.ts'
import { until } from '../../../help/until.ts'

const span = { resource: emptyResource() }
const settings = { maxSize: 10, delayMs: 5, queue: 25, timeoutMs: 50 }

/** An exporter that does with each batch what the test says. */
function queueInto(outcome: () => 'takes' | 'refuses' | 'hangs' | 'throws' | PartialSuccess) {
  const batches: number[] = []
  const told: string[] = []
  const exporter = {
    export(spans: unknown[], done: (result: { code: number; error?: Error }) => void) {
      batches.push(spans.length)
      const will = outcome()
      if (will === 'throws') throw new Error('broken')
      if (will === 'takes') done({ code: 0 })
      if (will instanceof PartialSuccess) done({ code: 0, error: will })
      if (will === 'refuses') done({ code: 1, error: new Error('no') })
    },
  }
  const queue = exportQueue(exporter, settings, {
    failing: (reason) => told.push(`failing: ${reason}`),
    resumed: (dropped) => told.push(`resumed: ${dropped}`),
    detached: (work) => work(),
  })
  const add = (count: number) => Array.from({ length: count }, () => queue.add(span))
  return { queue, batches, told, add }
}

test('spans are sent in batches, a part of one after the delay', async (t) => {
  const { queue, batches, add } = queueInto(() => 'takes')
  add(23)
  await queue.flush()
  t.same(batches, [10, 10, 3])
  add(4)
  await until('the part of a batch', () => queue.counts().exported >= 27)
  t.same(batches, [10, 10, 3, 4])
  t.match(queue.counts(), { waiting: 0, dropped: { queue: 0, export: 0 } })
})

test('what does not fit, and what an export could not deliver, is counted exactly', async (t) => {
  const { queue, told, add } = queueInto(() => 'hangs')
  add(100)
  t.equal(queue.counts().waiting, 25 + 10, 'a full queue beside the batch under way')
  t.equal(queue.counts().dropped.queue, 65)
  await queue.flush()
  t.match(queue.counts(), { exported: 0, waiting: 0, dropped: { queue: 65, export: 35 } })
  t.same(told, ['failing: no answer within 50 ms'])
})

test('an outage is told once, and its end with what it has cost', async (t) => {
  let outcome: 'refuses' | 'throws' | 'takes' = 'refuses'
  const { queue, told, add } = queueInto(() => outcome)
  add(10)
  await queue.flush()
  outcome = 'throws'
  add(10)
  await queue.flush()
  outcome = 'takes'
  add(20)
  await queue.flush()
  t.same(told, ['failing: no', 'resumed: 20'])
  t.match(queue.counts(), { exported: 20 })
})

test('of an export that arrives in part, the part that does not is lost', async (t) => {
  let outcome: PartialSuccess | 'takes' = new PartialSuccess(3, 'too old')
  const { queue, told, add } = queueInto(() => outcome)
  add(10)
  await queue.flush()
  t.match(queue.counts(), { exported: 7, dropped: { export: 3 } })
  outcome = new PartialSuccess(Infinity, 'too old')
  add(10)
  await queue.flush()
  t.match(queue.counts(), { exported: 7, dropped: { export: 13 } })
  outcome = 'takes'
  add(1)
  await queue.flush()
  t.same(told, ['failing: too old', 'resumed: 13'])
})

test('stopping sends what waits, within its time, and takes nothing more', async (t) => {
  const good = queueInto(() => 'takes')
  good.add(12)
  await good.queue.stop(1000)
  good.add(1)
  t.match(good.queue.counts(), { exported: 12, waiting: 0, dropped: { queue: 1, export: 0 } })

  const bad = queueInto(() => 'hangs')
  bad.add(25)
  await bad.queue.stop(10)
  t.equal(bad.queue.counts().dropped.export + bad.queue.counts().waiting, 25)
  t.equal(bad.batches.length, 1, 'nothing is begun after the time')
})
