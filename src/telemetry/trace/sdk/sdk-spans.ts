import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  TraceFlags,
} from '@opentelemetry/api'
import { trace as api } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import {
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace'
import { type SpanLimits, TracerProvider } from '@opentelemetry/sdk-trace'
import { attachment } from '../../../memory/attachment.ts'
import type { Identity } from '../../resource.ts'
import { newSpanId, newTraceId, spanIdOf } from '../span/ids.ts'
import {
  attributesOf,
  beginSpan,
  type RecordedSpan,
  type SpanTrace,
} from '../span/recorded-span.ts'

/** The settings of the SDK's spans. */
interface SdkOptions {
  identity: Pick<Identity, 'service' | 'version'>
  resource: Resource
  limits: Partial<SpanLimits>
  processor: SpanProcessor
}

/** See `sdkSpans`. */
export type SdkSpans = ReturnType<typeof sdkSpans>

/**
 * Spans of OpenTelemetry's SDK: those of recorded spans that need one, and those that instrumentations
 * begin below a recorded span. Limits, events, links and status are the SDK's.
 */
export function sdkSpans({ identity, resource, limits, processor }: SdkOptions) {
  const recordedBy = attachment<Span, RecordedSpan>('recorded span')
  /** The recorded span whose span is being made, with the ids that it has already. */
  let making: RecordedSpan | undefined

  const sampler: Sampler = {
    shouldSample(parent) {
      const recorded = making !== undefined || api.getSpan(parent)?.isRecording() === true
      const decision = recorded ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD
      return { decision }
    },
    toString: () => 'withParentOnly',
  }
  const provider = new TracerProvider({
    resource,
    sampler,
    spanLimits: limits,
    idGenerator: {
      generateTraceId: () => (making?.trace.traceId ?? newTraceId()).hex,
      generateSpanId: () => (making?.id ?? newSpanId()).hex,
    },
    spanProcessors: [processor],
  })
  const tracer = provider.getTracer(identity.service, identity.version)

  function made(span: RecordedSpan): Span {
    making = span
    const { name, kind } = span.head
    const sdk = tracer.startSpan(name, { kind, startTime: span.startMs }, contextAbove(span))
    making = undefined
    for (const link of span.links ?? []) sdk.addLink({ context: contextOf(link) })
    recordedBy.attach(sdk, span)
    return sdk
  }

  return {
    provider,
    /** The SDK's span of a recorded one. */
    of: (span: RecordedSpan): Span => (span.sdk ??= made(span)),
    /** The recorded span of one of the SDK's, or such a one for a span that an instrumentation has begun. */
    recorded(sdk: Span | undefined, trace: SpanTrace): RecordedSpan | undefined {
      if (!sdk?.isRecording()) return undefined
      return recordedBy.of(sdk) ?? foreign(sdk, trace)
    },
    /** Ends a recorded span as one of the SDK's. Values that were set through the API stay. */
    end(span: RecordedSpan): void {
      const sdk = (span.sdk ??= made(span))
      const { attributes } = sdk as Span & ReadableSpan
      sdk.updateName(span.head.name).setAttributes({ ...attributesOf(span), ...attributes })
      sdk.end(span.endMs)
    },
  }
}

function contextOf({ trace, id }: RecordedSpan): SpanContext {
  const traceId = trace.traceId?.hex ?? ''
  return { traceId, spanId: id.hex, traceFlags: TraceFlags.SAMPLED }
}

/** The context of a span's parent. */
function contextAbove({ trace, parent }: RecordedSpan): Context {
  const base = trace.base ?? ROOT_CONTEXT
  if (parent === undefined || trace.traceId === undefined) return base
  const caller = api.getSpanContext(base)
  if (caller?.spanId === parent.hex) return base
  return api.setSpanContext(base, {
    traceId: trace.traceId.hex,
    spanId: parent.hex,
    traceFlags: TraceFlags.SAMPLED,
    ...(caller?.traceState && { traceState: caller.traceState }),
  })
}

const unknown = { name: '', kind: SpanKind.INTERNAL, attributes: {}, bytes: new Uint8Array() }

function foreign(sdk: Span, trace: SpanTrace): RecordedSpan {
  const id = spanIdOf(sdk.spanContext().spanId)
  return { ...beginSpan(trace, unknown, 0, undefined), id, sdk }
}
