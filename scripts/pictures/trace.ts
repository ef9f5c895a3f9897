// One order as the service traces it: a real run, whose spans come here by OTLP.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { readSpans, type ReceivedSpan } from '../../test/help/otlp.ts'
import { startService, temporaryFolder } from '../verify/service.ts'
import { label, picture } from './svg.ts'

const warmUp = 300
/** The span that the orders are called from, which is not recorded. */
const caller = '00f067aa0ba902b7'
const [row, nameWidth, barWidth, timeWidth] = [22, 300, 380, 70]

/** Takes spans until it has the whole traces of these ids, and gives the one whose root is the shortest. */
async function traceReceiver(ids: readonly string[]) {
  const found = Promise.withResolvers<ReceivedSpan[]>()
  const spans: ReceivedSpan[] = []
  const roots = () =>
    spans.filter(({ traceId, parent }) => ids.includes(traceId) && parent === caller)
  const server = createServer(async (req, res) => {
    const body = Buffer.concat(await req.toArray())
    res.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    spans.push(...readSpans(req.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body))
    if (roots().length < ids.length) return
    const [shortest] = roots().toSorted((a, b) => Number(a.end - a.start - (b.end - b.start)))
    found.resolve(spans.filter(({ traceId }) => traceId === shortest?.traceId))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    trace: found.promise,
    [Symbol.dispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** The spans of an order over REST, after enough others that its code is compiled. */
async function orderTrace(): Promise<ReceivedSpan[]> {
  const ids = Array.from({ length: 20 }, () => randomBytes(16).toString('hex'))
  using receiver = await traceReceiver(ids)
  using folder = temporaryFolder()
  await using service = await startService({
    SQLITE_PATH: join(folder.path, 'users.db'),
    TRACING_ENDPOINT: receiver.url,
  })
  async function post(path: string, body: object, headers: Record<string, string> = {}) {
    const answer = await fetch(`http://${service.http}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`)
    await answer.arrayBuffer()
  }
  const order = { user_id: 1, items: [{ product_id: 1, quantity: 1, price: 0.25 }] }
  await post('/v1/users', { name: 'Ada', email: 'ada@example.com' })
  for (let i = 0; i < warmUp; i += 1) await post('/v1/orders', order)
  for (const id of ids) await post('/v1/orders', order, { traceparent: `00-${id}-${caller}-01` })
  return await receiver.trace
}

/** The spans with their depths, each before those below it. */
function tree(spans: readonly ReceivedSpan[], parent: string, depth = 0): [ReceivedSpan, number][] {
  const below = spans.filter((span) => span.parent === parent)
  return below
    .toSorted((a, b) => Number(a.start - b.start))
    .flatMap(
      (span) => [[span, depth], ...tree(spans, span.id, depth + 1)] as [ReceivedSpan, number][],
    )
}

/** docs/pictures/trace.svg */
export async function tracePicture(): Promise<string> {
  const spans = await orderTrace()
  const root = spans.find(({ parent }) => parent === caller)
  if (root === undefined) throw new Error('the trace has no root')
  const ms = (nanos: bigint) => Number(nanos) / 1e6
  const scale = barWidth / ms(root.end - root.start)
  const rows = tree(spans, caller).flatMap(([{ name, kind, start, end }, depth], i) => {
    const y = 16 + i * row
    const x = nameWidth + ms(start - root.start) * scale
    const width = Math.max(1, ms(end - start) * scale)
    const shown = kind === 'INTERNAL' ? name : `${kind} ${name}`
    return [
      label(12 + depth * 14, y + 15, shown),
      `<rect class="bar" x="${x.toFixed(1)}" y="${y + 4}" width="${width.toFixed(1)}" height="14"/>`,
      label(nameWidth + barWidth + timeWidth, y + 15, `${ms(end - start).toFixed(2)} ms`, 'end'),
    ]
  })
  const height = 32 + (rows.length / 3) * row
  const title = 'The spans of POST /v1/orders, from a run on SQLite'
  return picture(nameWidth + barWidth + timeWidth + 12, height, title, rows)
}
