import { randomBytes } from 'node:crypto'
import { createClient, type Transport } from '@connectrpc/connect'
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node'
import { test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { httpCollector } from '../../help/collector.ts'
import { freshSqlitePath } from '../../help/db.ts'
import { type ServiceProcess, startProcess } from '../../help/process.ts'
import { until } from '../../help/until.ts'

const trace = '80f198ee56343ba864fe8b2a57d3eff7'
const span = 'e457b5a2e4d86bd1'
const long = 'x'.repeat(6000)
const members = (count: number, length: number) =>
  Array.from({ length: count }, (_, index) => `k${index}=${'v'.repeat(length)}`).join(',')

type Headers = Record<string, string>

/** ListUsers in each protocol; fails where it is no success. */
function callers({ rest, rpc: baseUrl }: ServiceProcess) {
  const by = (transport: Transport) => {
    const users = createClient(User, transport)
    return (headers: Headers) => users.listUsers({}, { headers })
  }
  async function byRest(headers: Headers): Promise<void> {
    const answer = await fetch(`${rest}/v1/users`, { headers })
    if (answer.status !== 200) throw new Error(await answer.text())
    await answer.text()
  }
  return {
    REST: byRest,
    Connect: by(createConnectTransport({ baseUrl, httpVersion: '1.1' })),
    gRPC: by(createGrpcTransport({ baseUrl })),
  }
}

const w3c = `00-${trace}-${span}-01`

/** Headers by the propagators that read them, and the trace that they name. */
const cases: [title: string, headers: Headers, names: string[], traceId?: string][] = [
  ['traceparent', { traceparent: w3c }, ['tracecontext'], trace],
  ['of a later version', { traceparent: `cc-${trace}-${span}-01-x` }, ['tracecontext'], trace],
  ['with unknown flags', { traceparent: `00-${trace}-${span}-ff` }, ['tracecontext'], trace],
  ['of version ff', { traceparent: `ff-${trace}-${span}-01` }, []],
  ['with zeros', { traceparent: `00-${'0'.repeat(32)}-${span}-01` }, []],
  ['in capitals', { traceparent: w3c.toUpperCase() }, []],
  ['with more after it', { traceparent: `${w3c}-${long}` }, []],
  ['twice', { traceparent: `${w3c}, ${w3c}` }, []],
  ['empty', { traceparent: '' }, []],
  ['a long tracestate', { traceparent: w3c, tracestate: members(60, 80) }, ['tracecontext'], trace],
  ['a malformed tracestate', { traceparent: w3c, tracestate: ',,=,a=,b' }, ['tracecontext'], trace],
  ['300 entries of baggage', { baggage: members(300, 20) }, []],
  ['malformed baggage', { baggage: '%ZZ=%ff,__proto__=1,=,a=b;c;d' }, []],
  ['a long entry of baggage', { baggage: `a=${long}` }, []],
  ['b3', { b3: `${trace}-${span}-1` }, ['b3'], trace],
  ['b3 with debug', { b3: `${trace}-${span}-d-${span}` }, ['b3'], trace],
  ['b3 in capitals', { b3: `${trace}-${span}-1`.toUpperCase() }, ['b3'], trace],
  ['b3 with 64 bits', { b3: `${span}-${span}-1` }, ['b3'], span.padStart(32, '0')],
  ['b3 without a decision', { b3: `${trace}-${span}` }, ['b3'], trace],
  ['b3 without ids', { b3: '1' }, []],
  ['b3 in other text', { b3: `zz${trace}-${span}-1` }, []],
  ['b3 with too many digits', { b3: `${trace}${trace}-${span}-1` }, []],
  ['long b3', { b3: long }, []],
  ['x-b3-*', { 'x-b3-traceid': trace, 'x-b3-spanid': span, 'x-b3-sampled': '1' }, ['b3'], trace],
  [
    'x-b3-* in capitals',
    { 'x-b3-traceid': trace.toUpperCase(), 'x-b3-spanid': span, 'x-b3-sampled': 'True' },
    ['b3'],
    trace,
  ],
  ['x-b3-flags', { 'x-b3-traceid': trace, 'x-b3-spanid': span, 'x-b3-flags': '1' }, ['b3'], trace],
  ['x-b3-* without a decision', { 'x-b3-traceid': trace, 'x-b3-spanid': span }, ['b3'], trace],
  ['long x-b3-*', { 'x-b3-traceid': long, 'x-b3-spanid': span, 'x-b3-sampled': '1' }, []],
  ['x-b3-* without a span', { 'x-b3-traceid': trace, 'x-b3-sampled': '1' }, []],
]

for (const [propagators, names] of [
  ['', ['tracecontext']],
  ['b3', ['b3']],
  ['b3multi', ['b3']],
  ['tracecontext,baggage,b3', ['tracecontext', 'b3']],
] as const)
  test(`OTEL_PROPAGATORS=${propagators} reads both forms and begins a trace where they are malformed`, async (t) => {
    const collector = await httpCollector(t)
    const service = await startProcess(t, {
      OTEL_BSP_SCHEDULE_DELAY: '20',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_PROPAGATORS: propagators,
      SQLITE_PATH: freshSqlitePath(t),
    })
    /** The server span of the call that has named itself so. */
    const rootOf = (name: string) =>
      collector.spans.find(({ attributes }) => attributes['peer.service'] === name)
    const expected: string[] = []
    const found: string[] = []
    for (const [title, headers, readBy, traceId] of cases)
      for (const [protocol, call] of Object.entries(callers(service))) {
        const name = randomBytes(8).toString('hex')
        await call({ ...headers, 'x-md-service-name': name })
        await until('the root span', () => rootOf(name) !== undefined)
        const root = rootOf(name)
        const named = readBy.some((each) => names.some((its) => its === each)) ? traceId : undefined
        expected.push(`${protocol}, ${title}: ${named ?? 'a new trace'}`)
        const known = [trace, span.padStart(32, '0')].includes(root?.traceId ?? '')
        const joined = root?.parent === span && known ? root.traceId : 'a new trace'
        found.push(`${protocol}, ${title}: ${joined}`)
        if (named === undefined && (known || root?.parent !== '')) found.push(`${title}: a parent`)
      }
    t.same(found, expected)
  })
