import { setTimeout as sleep } from 'node:timers/promises'
import { type HrTime, SpanStatusCode } from '@opentelemetry/api'
import { until } from './until.ts'
import { InMemorySpanExporter, type ReadableSpan } from '@opentelemetry/sdk-trace'

/** What a test looks at, whatever way the span has come. */
export interface SeenSpan {
  traceId: string
  id: string
  /** Empty at the root of what this service has recorded. */
  parent: string
  name: string
  kind: 'INTERNAL' | 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER'
  attributes: Record<string, unknown>
  /** Names of the events, and what they say. */
  events: { name: string; attributes: Record<string, unknown> }[]
  /** Text of an error status; undefined where the status is not an error. */
  failed: string | undefined
  /** Nanoseconds of the epoch. */
  start: bigint
  end: bigint
}

const kinds = ['INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'] as const
const nanos = ([seconds, rest]: HrTime) => BigInt(seconds) * 1_000_000_000n + BigInt(rest)

export function seen(span: ReadableSpan): SeenSpan {
  const { traceId, spanId } = span.spanContext()
  return {
    traceId,
    id: spanId,
    parent: span.parentSpanContext?.spanId ?? '',
    name: span.name,
    kind: kinds[span.kind] ?? 'INTERNAL',
    attributes: { ...span.attributes },
    events: span.events.map(({ name, attributes }) => ({ name, attributes: { ...attributes } })),
    failed: span.status.code === SpanStatusCode.ERROR ? (span.status.message ?? '') : undefined,
    start: nanos(span.startTime),
    end: nanos(span.endTime),
  }
}

/** Keeps what is exported; OpenTelemetry's forgets it when the service stops. */
export function spanMemory() {
  const exporter = new InMemorySpanExporter()
  exporter.shutdown = () => Promise.resolve()
  const spans = () => exporter.getFinishedSpans().map(seen)
  return {
    exporter,
    spans,
    /** The spans from now on, once `enough` of them have come. */
    of: async (act: () => unknown, enough: (spans: SeenSpan[]) => boolean): Promise<SeenSpan[]> => {
      exporter.reset()
      await act()
      await until('enough spans', () => enough(spans()))
      // For one too many.
      await sleep(60)
      return spans()
    },
  }
}

/** Whether a server span has come; it is the last of its request but for what was given up. */
export const served = (count: number) => (spans: SeenSpan[]) =>
  spans.filter(({ kind }) => kind === 'SERVER').length >= count

/**
 * The trees of spans as text, one line a span, children indented below their parent by start. `!` is
 * an error status with its text, `*` a recorded exception. Waits for a connection are left out: they
 * depend on the pool.
 */
export function trees(spans: readonly SeenSpan[]): string[] {
  const shown = spans.filter(({ name }) => name !== 'connection wait')
  const ids = new Set(shown.map(({ id }) => id))
  return shown
    .filter(({ parent }) => !ids.has(parent))
    .sort(byStart)
    .map((root) => lines(root, shown, '').join('\n'))
}

function lines(span: SeenSpan, all: readonly SeenSpan[], indent: string): string[] {
  const kind = span.kind === 'INTERNAL' ? '' : `${span.kind} `
  const failed = span.failed === undefined ? '' : ` !${span.failed}`
  const thrown = span.events.some(({ name }) => name === 'exception') ? ' *' : ''
  const children = all.filter(({ parent }) => parent === span.id).sort(byStart)
  return [
    `${indent}${kind}${span.name}${failed}${thrown}`,
    ...children.flatMap((child) => lines(child, all, `${indent}  `)),
  ]
}

function byStart(a: SeenSpan, b: SeenSpan): number {
  return Number(a.start - b.start) || a.name.localeCompare(b.name)
}
