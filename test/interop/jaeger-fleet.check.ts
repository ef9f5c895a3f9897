// Run by scripts/verify-tracing.ts, which brings the programs. Prints the trace of docs/orders.md.
import { test } from 'tap'
import { callers, newUser } from '../e2e/orders/callers.ts'
import { orderTree, startFleet } from '../e2e/orders/fleet.ts'
import { trees } from '../help/spans.ts'
import { until } from '../help/until.ts'
import { type JaegerSeen, startBackend } from './jaeger.ts'

const known = orderTree.split('\n').length
/** The fastest of them is printed. */
const orders = 20

/** The tree with milliseconds, and at each server span its service. */
function picture(spans: readonly JaegerSeen[]): string {
  const left = spans.toSorted((a, b) => Number(a.start - b.start))
  return trees(spans)
    .flatMap((tree) => tree.split('\n').map(withTime))
    .join('\n')

  function withTime(line: string): string {
    const [, indent = '', kind = '', name = ''] = /^( *)((?:SERVER|CLIENT) )?(.*)$/.exec(line) ?? []
    const at = left.findIndex(
      (each) => each.name === name && each.kind === (kind.trim() || 'INTERNAL'),
    )
    const [span] = left.splice(at, 1)
    const ms = span === undefined ? '' : (Number(span.end - span.start) / 1e6).toFixed(2)
    const service = kind === 'SERVER ' ? `, ${span?.service}` : ''
    return `${ms.padStart(7)}  ${indent}${kind}${name}${service}`
  }
}

test('Jaeger shows each order through a gateway as one tree', { timeout: 600_000 }, async (t) => {
  const backend = await startBackend(t)
  const { gateway } = await startFleet(t, {
    TRACING_ENDPOINT: backend.endpoint,
    TRACING_EXPORTER: 'otlp_grpc',
    TRACING_BATCH_DELAY: '0.05s',
  })
  const { REST: ask } = callers({
    rest: { url: gateway.rest, port: 0 },
    rpc: { url: gateway.rpc, port: 0 },
  })
  for (let n = 0; n < orders; n += 1) {
    const order = { user_id: await newUser(gateway.rest), product_id: '1', amount: 12.5 }
    t.match(await ask?.('createOrder', order), { status: 'created' })
  }
  let whole: JaegerSeen[][] = []
  await until('the traces of the orders', async () => {
    const traces = await backend.traces()
    whole = traces.filter((trace) => trace.some(({ name }) => name === 'POST /v1/orders'))
    return whole.length === orders && whole.every((trace) => shown(trace).length >= known)
  })
  const [fastest = []] = whole.toSorted((a, b) => lengthOf(a) - lengthOf(b))
  console.log(picture(fastest))
  for (const trace of whole) t.strictSame(trees(trace), [orderTree])
})

function shown(trace: readonly JaegerSeen[]): JaegerSeen[] {
  return trace.filter(({ name }) => name !== 'connection wait')
}

/** The time of the longest span, which is the first. */
function lengthOf(trace: readonly JaegerSeen[]): number {
  return Math.max(...trace.map(({ start, end }) => Number(end - start)))
}
