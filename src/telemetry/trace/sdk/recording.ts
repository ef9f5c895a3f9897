import { SpanKind, trace as api } from '@opentelemetry/api'
import { RandomIdGenerator, type Sampler, SamplingDecision } from '@opentelemetry/sdk-trace'
import { newTraceId } from '../ids.ts'

/**
 * The SDK's sampler. Whether a request is recorded is decided before its server span is begun, so that
 * one is recorded; spans that instrumentations begin are recorded only below a recorded span.
 */
export const withParentOnly: Sampler = {
  shouldSample(parent, _traceId, _name, kind) {
    const recorded = kind === SpanKind.SERVER || api.getSpan(parent)?.isRecording() === true
    const traceState = api.getSpanContext(parent)?.traceState
    return {
      decision: recorded ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD,
      ...(traceState && { traceState }),
    }
  },
  toString: () => 'withParentOnly',
}

/** The SDK's generator of ids: random, but a trace whose id the caller has been told keeps it. */
export function idGenerator() {
  const random = new RandomIdGenerator()
  let told = ''
  return {
    /** Sets the id of the next trace. */
    next(id: string) {
      told = id
    },
    generateTraceId() {
      const id = told || newTraceId()
      told = ''
      return id
    },
    generateSpanId: () => random.generateSpanId(),
  }
}
