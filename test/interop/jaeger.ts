import { spawn } from 'node:child_process'
import type { Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { type SeenSpan, trees } from '../help/spans.ts'
import { until } from '../help/until.ts'

interface JaegerTag {
  key: string
  value: unknown
}

interface JaegerSpan {
  traceID: string
  spanID: string
  operationName: string
  processID: string
  references: { refType: string; spanID: string }[]
  startTime: number
  duration: number
  tags: JaegerTag[]
  logs: { fields: JaegerTag[] }[]
}

function run(t: Test, program: string | undefined, args: string[]): void {
  if (!program) throw new Error('run this by `npm run verify:tracing`')
  const child = spawn(program, args, { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
}

interface JaegerTrace {
  spans: JaegerSpan[]
  processes: Record<string, { serviceName: string }>
}

/** A span, and the service that it comes from. */
export type JaegerSeen = SeenSpan & { service: string | undefined }

/** A Collector that takes OTLP over gRPC and sends it on to a Jaeger, and what Jaeger then knows. */
export async function startBackend(t: Test) {
  const [otlp = 0, query = 0, toJaeger = 0, ...others] = await Promise.all(
    Array.from({ length: 10 }, freePort),
  )
  const at = (port = 0) => `127.0.0.1:${port}`
  run(t, process.env.TRACING_JAEGER, [
    `--collector.otlp.grpc.host-port=${at(toJaeger)}`,
    `--collector.otlp.http.host-port=${at(others[0])}`,
    `--collector.grpc-server.host-port=${at(others[1])}`,
    `--collector.http-server.host-port=${at(others[2])}`,
    `--query.http-server.host-port=${at(query)}`,
    `--query.grpc-server.host-port=${at(others[3])}`,
    `--admin.http.host-port=${at(others[4])}`,
  ])
  const config = {
    receivers: { otlp: { protocols: { grpc: { endpoint: at(otlp) } } } },
    processors: { batch: { timeout: '50ms' } },
    exporters: { otlp_grpc: { endpoint: at(toJaeger), tls: { insecure: true } } },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: {
        traces: { receivers: ['otlp'], processors: ['batch'], exporters: ['otlp_grpc'] },
      },
    },
  }
  run(t, process.env.TRACING_COLLECTOR, ['--config', `yaml:${JSON.stringify(config)}`])
  const known = new Set<string>()

  async function all(): Promise<JaegerSeen[][]> {
    const url = `http://${at(query)}/api/traces?service=user-service&limit=1500&lookback=1h`
    const answer = await fetch(url).catch(() => undefined)
    if (!answer?.ok) return []
    const { data } = (await answer.json()) as { data: JaegerTrace[] }
    return data.map(({ spans, processes }) =>
      spans.map((span) => ({ ...read(span), service: processes[span.processID]?.serviceName })),
    )
  }
  return {
    endpoint: `http://${at(otlp)}`,
    /** The traces with a span of this program. */
    traces: all,
    /** The tree that `act` has made, once Jaeger has it with so many spans. */
    async treeOf(act: () => Promise<unknown>, spans: number): Promise<string> {
      await act()
      let fresh: SeenSpan[] = []
      await until(`a new trace of ${spans} spans`, async () => {
        const isNew = (trace: SeenSpan[]) =>
          trace.length >= spans && !known.has(trace[0]?.traceId ?? '')
        fresh = (await all()).find(isNew) ?? []
        return fresh.length > 0
      })
      known.add(fresh[0]?.traceId ?? '')
      return trees(fresh).join('\n')
    },
  }
}

function read({
  spanID,
  traceID,
  operationName,
  references,
  startTime,
  duration,
  tags,
  logs,
}: JaegerSpan): SeenSpan {
  const attributes = Object.fromEntries(tags.map(({ key, value }) => [key, value]))
  const failed = attributes['otel.status_code'] === 'ERROR'
  const text = (key: string) => {
    const value = attributes[key]
    return typeof value === 'string' ? value : ''
  }
  return {
    traceId: traceID,
    id: spanID,
    parent: references.find(({ refType }) => refType === 'CHILD_OF')?.spanID ?? '',
    name: operationName,
    kind: (text('span.kind') || 'internal').toUpperCase() as SeenSpan['kind'],
    attributes,
    events: logs.map(({ fields }) => {
      const its = Object.fromEntries(fields.map(({ key, value }) => [key, value]))
      return { name: String(its.event), attributes: its }
    }),
    failed: failed ? text('otel.status_description') : undefined,
    start: BigInt(startTime) * 1000n,
    end: BigInt(startTime + duration) * 1000n,
  }
}
